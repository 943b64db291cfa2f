# SPDX-License-Identifier: Apache-2.0
"""Parsing, on the grammar that ships: operational commands, and statements of the schema."""

from __future__ import annotations

import pytest

from snatsh.shell.commands import configuration, configuration_mode, operational, operational_mode
from snatsh.shell.core.grammar import CommandError, Parsed, parse
from snatsh.shell.pipes import filters


def run(line: str, edit: tuple[str, ...] | None = None) -> Parsed:
    state = operational_mode.grammar() if edit is None else configuration_mode.grammar(edit)
    return parse(line, state, filters.grammar)


def error(line: str, edit: tuple[str, ...] | None = None) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(line, edit)
    return caught.value


def test_options_are_parsed_in_any_order() -> None:
    call = run("show flows limit 5 port 443 source 10.0.0.0/8 protocol tcp").call
    assert call.run is operational.show_flows
    assert call.arguments == {"limit": 5, "port": 443, "source": "10.0.0.0/8", "protocol": "tcp"}


def test_unique_abbreviations_are_accepted() -> None:
    assert run("sh fl lim 5").call.arguments == {"limit": 5}
    assert run("sh sys com").call.run is operational.show_system_commit


def test_exact_match_takes_precedence_over_a_longer_word() -> None:
    assert run("se rules 10 source 10.0.0.0/8", edit=()).call.run is configuration.set_


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("show flowz", 5, "unknown command: flowz; did you mean flows?"),
        ("  shwo flows", 2, "unknown command: shwo; did you mean show?"),
        ("c", 0, "'c' is ambiguous: clear, cli, configure"),
        ("show", 5, "missing mandatory argument: expected one of: cli, configuration, drops, flows"),
        ("show flows source", 18, "missing mandatory argument: expected <address or prefix>"),
        ("show flows sauce 10.0.0.1", 11, "syntax error: sauce; did you mean source?"),
        ("show flows source 10.0.0.1/8", 18, "has host bits set; did you mean 10.0.0.0/8?"),
        ("show flows port 65536", 16, "expected a number from 0 to 65535"),
        ("show flows port 1 port 2", 18, "syntax error: port"),
        ("show drops now", 11, "syntax error: now: expected end of command"),
        ("clear flows", 12, "missing mandatory argument"),
        ("clear flows all source 10.0.0.1", 16, "expected end of command"),
        ("clear flows source 10.0.0.1 all", 28, "syntax error: all"),
        ("configure | count", 10, "does not support pipes"),
        ("show flows | display set", 21, "unknown command: set; expected one of: json, yaml"),
        ("show flows | match (", 19, "expected a regular expression"),
        ("show flows | match", 19, "missing mandatory argument: expected <pattern>"),
        ("show flows |", 13, "missing mandatory argument: expected one of: append"),
        ('show pools "a', 11, "the quote is never closed"),
        ("show flows source | count", 18, "missing mandatory argument"),
    ],
)
def test_errors_point_at_their_token_and_name_what_was_expected(line: str, column: int, message: str) -> None:
    found = error(line)
    assert found.column == column
    assert message in str(found)


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("set rulez 10", 4, "syntax error: rulez; did you mean rules?"),
        ("set rules 10 poll a", 13, "syntax error: poll; did you mean pool?"),
        ("set rules ten source 10.0.0.0/8", 10, "expected a whole number from 1 to 1000000"),
        ("set rules 10 source 10.0.0.1/8", 20, "did you mean 10.0.0.0/8?"),
        ("set rules 10 source", 20, "missing mandatory argument: expected <prefix>"),
        ("set rules 10 action pass", 20, "expected one of: translate, exempt, drop"),
        ("set rules 10 source 10.0.0.0/8 poll a", 31, "syntax error: poll; did you mean pool?"),
        ("set rules 10 pool a pool b", 20, "syntax error: pool"),
        ("delete rules 10 source 10.0.0.0/8 pool a", 34, "expected end of command"),
        ("set", 4, "missing mandatory argument: expected one of: system"),
        ("edit rules", 11, "missing mandatory argument"),
        ("edit rules 10 source", 14, "syntax error: source"),
        ("set pools a address [ 10.0.0.1", 31, "missing mandatory argument: expected one of: ]"),
        ("rollback 50", 9, "expected a number from 0 to 49"),
        ("load override", 14, "missing mandatory argument"),
        ("load override mine terminal", 19, "syntax error: terminal"),
        ("run configure", 4, "unknown command: configure"),
    ],
)
def test_errors_in_configuration_mode(line: str, column: int, message: str) -> None:
    found = error(line, edit=())
    assert found.column == column
    assert message in str(found)


def test_statements_are_relative_to_the_edit_path() -> None:
    assert run("set source 10.0.0.0/8", edit=("rules", "10")).call.arguments == {
        "path": ("rules", "10", "source", "10.0.0.0/8")
    }
    assert run("top set rules 20 pool b", edit=("rules", "10")).call.arguments == {
        "path": ("rules", "20", "pool", "b")
    }


def test_several_statements_of_one_container_in_a_line() -> None:
    call = run("set rules 10 source 10.0.0.0/8 pool a failover isp-a pool b redirect 192.0.2.1", edit=()).call
    assert (*call.arguments["before"], call.arguments["path"]) == (
        ("rules", "10", "source", "10.0.0.0/8"),
        ("rules", "10", "pool", "a"),
        ("rules", "10", "failover", "isp-a", "pool", "b"),
        ("rules", "10", "failover", "isp-a", "redirect", "192.0.2.1"),
    )
    call = run("set pools a address [ 192.0.2.1 192.0.2.9 ] address 192.0.2.3 announce arp", edit=()).call
    assert len(call.arguments["before"]) == 2


def test_quoted_comment_is_not_a_list_key() -> None:
    call = run('annotate pools "ours"', edit=()).call
    assert (call.arguments["path"], call.arguments["comment"]) == (("pools",), "ours")
    call = run('annotate pools a "ours"', edit=()).call
    assert (call.arguments["path"], call.arguments["comment"]) == (("pools", "a"), "ours")


def test_schema_words_may_be_abbreviated_and_are_expanded() -> None:
    assert run("set ru 10 act ex", edit=()).call.arguments == {"path": ("rules", "10", "action", "exempt")}


def test_bracketed_value_lists() -> None:
    path = run("set pools a address [ 10.0.0.1 10.0.0.9-10.0.0.12 ]", edit=()).call.arguments["path"]
    assert path == ("pools", "a", "address", "[", "10.0.0.1", "10.0.0.9-10.0.0.12", "]")


def test_quoted_values_are_not_expanded() -> None:
    assert "unknown command" in str(error('"show" flows'))
    assert run('set rules 10 description "a | b"', edit=()).call.arguments["path"][-1] == "a | b"


def test_up_moves_by_levels() -> None:
    from snatsh.shell.core.statements import parent

    assert parent(("rules", "10", "failover", "isp-a")) == ("rules", "10")
    assert parent(("rules", "10")) == ()
    assert parent(("timeouts", "tcp")) == ("timeouts",)
    assert parent(()) == ()


def test_pipes_depend_on_the_kind_of_output() -> None:
    parsed = run("show configuration rules | display set | match 10 | count")
    assert [pipe.run for pipe in parsed.pipes] == [filters.as_set, filters.match, filters.count]
    assert run("show | compare rollback 3", edit=()).pipes[0].arguments == {"rollback": 3}
