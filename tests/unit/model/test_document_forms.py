# SPDX-License-Identifier: Apache-2.0
"""Four forms of one document: each reads back what it renders and refuses junk by line."""

from __future__ import annotations

import json
import re
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snatsh.model.document.document import Document, validate_shape
from snatsh.model.errors import FormError, ProfileError, SnatshError
from snatsh.model.forms import curly_form, json_form, json_reader, set_form, yaml_form
from snatsh.model.limits import MAX_TEXT
from snatsh.model.schema.tokenizer import quote, split
from snatsh.shell.core.lexer import lex
from tests.unit.model.strategies import documents, profiles

FORMS = [yaml_form, set_form, curly_form, json_form]
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.rpartition(".")[2])

EXAMPLE = validate_shape(
    {
        "interfaces": {"eth0": {"role": "inside", "description": 'the "inside" \\ of {it};'}, "eth1": {}},
        "pools": {"b": {"address": ["1.1.1.0/24", "2.2.2.2"]}, "a": {"address": ["3.3.3.3"]}},
        "rules": {"100": {"pool": "a"}, "9": {"pool": "b"}},
        "timeouts": {"tcp": {"syn": 20}},
    }
)

YAML = """\
interfaces:
  eth0:
    role: inside
    description: the "inside" \\ of {it};
  eth1: {}
pools:
  a:
    address:
    - 3.3.3.3
  b:
    address:
    - 1.1.1.0/24
    - 2.2.2.2
rules:
  9:
    pool: b
  100:
    pool: a
timeouts:
  tcp:
    syn: 20
"""

SET = """\
set interfaces eth0 role inside
set interfaces eth0 description "the \\"inside\\" \\\\ of {it};"
set interfaces eth1
set pools a address 3.3.3.3
set pools b address 1.1.1.0/24
set pools b address 2.2.2.2
set rules 9 pool b
set rules 100 pool a
set timeouts tcp syn 20
"""

CURLY = """\
interfaces {
    eth0 {
        role inside;
        description "the \\"inside\\" \\\\ of {it};";
    }
    eth1;
}
pools {
    a {
        address 3.3.3.3;
    }
    b {
        address [ 1.1.1.0/24 2.2.2.2 ];
    }
}
rules {
    9 {
        pool b;
    }
    100 {
        pool a;
    }
}
timeouts {
    tcp {
        syn 20;
    }
}
"""

JSON = json.dumps(EXAMPLE, indent=2) + "\n"


@every_form
@given(document=documents() | profiles())
def test_documents_round_trip_in_every_form(form: ModuleType, document: Document) -> None:
    assert form.parse(form.render(document)) == document


@pytest.mark.parametrize(
    ("form", "text"),
    list(zip(FORMS, [YAML, SET, CURLY, JSON], strict=True)),
    ids=["yaml", "set", "curly", "json"],
)
def test_forms_have_their_expected_format(form: ModuleType, text: str) -> None:
    assert form.render(EXAMPLE) == text
    assert form.parse(text) == EXAMPLE


@every_form
def test_subtrees_can_be_rendered(form: ModuleType) -> None:
    whole = form.render(EXAMPLE, ("rules", "9"))
    assert "b" in whole
    assert "100" not in whole
    nothing = "{}\n" if form is json_form else ""
    assert form.render(EXAMPLE, ("rules", "10")) == form.render({}) == nothing


def test_rendered_subtrees_have_their_expected_format() -> None:
    assert set_form.render(EXAMPLE, ("rules", "9")) == "set rules 9 pool b\n"
    assert set_form.render(EXAMPLE, ("interfaces", "eth1")) == "set interfaces eth1\n"
    assert set_form.render(EXAMPLE, ("timeouts", "tcp", "syn")) == "set timeouts tcp syn 20\n"
    assert curly_form.render(EXAMPLE, ("rules",)) == "9 {\n    pool b;\n}\n100 {\n    pool a;\n}\n"
    assert curly_form.render(EXAMPLE, ("pools", "b", "address")) == "address [ 1.1.1.0/24 2.2.2.2 ];\n"
    assert json_form.render(EXAMPLE, ("timeouts", "tcp", "syn")) == '{\n  "syn": 20\n}\n'
    assert yaml_form.render(EXAMPLE, ("timeouts",)) == "tcp:\n  syn: 20\n"
    assert yaml_form.render(EXAMPLE, ("timeouts", "tcp", "syn")) == "syn: 20\n"


# --- words ----------------------------------------------------------------------------------------

one_line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))


@given(st.lists(one_line | st.sampled_from(['"', "\\", "\\\\", '\\"', "a b", "", "#", "[", "|", "{", ";"])))
def test_quoted_words_round_trip(words: list[str]) -> None:
    line = " ".join(map(quote, words))
    assert [word.text for word in split(line)] == words


@given(st.lists(one_line))
def test_shell_and_set_form_tokenize_alike(words: list[str]) -> None:
    line = " ".join(map(quote, words))
    read = lex(line)
    assert read.open_quote is None
    assert [token.text for token in read.tokens] == words


@pytest.mark.parametrize("text", [r'"a\qb"', r'"\\"', r'"\""', 'x"y z"'])
def test_shell_and_set_form_unquote_alike(text: str) -> None:
    assert [word.text for word in split(text)] == [token.text for token in lex(text).tokens]


# --- what is refused ------------------------------------------------------------------------------


@every_form
@given(text=st.text() | st.text("{}[];\"'#/*\\ \n:-&*!a1"))
def test_random_text_is_read_or_refused(form: ModuleType, text: str) -> None:
    try:
        assert validate_shape(form.parse(text)) is not None
    except (FormError, ProfileError) as error:
        assert str(error)


@every_form
@given(junk=st.binary(min_size=1))
def test_random_bytes_are_read_or_refused(form: ModuleType, junk: bytes) -> None:
    for text in (junk.decode("latin-1"), junk.decode("utf-8", "surrogateescape")):
        try:
            assert form.parse(text) == {}
        except SnatshError as error:
            assert str(error).isprintable() or "\n" in str(error)


@every_form
def test_oversized_text_is_refused_unread(form: ModuleType) -> None:
    with pytest.raises(FormError, match="expected at most 16,777,216"):
        form.parse("#" * (MAX_TEXT + 1))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("rules:\n  10: {\n", 3, "while parsing a flow node"),
        ("rules:\n  10:\n    pool: a\n  10:\n    pool: b\n", 4, "rules 10: is given twice, first in line 2"),
        ("a: &x 1\n", 1, "anchors and aliases"),
        ("a: *x\n", 1, "anchors and aliases"),
        ("&x [*x]", 1, "anchors and aliases"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "tags are not accepted"),
        ("a: !!str x\n", 1, "tags are not accepted"),
        ("? [a, b]\n: c\n", 1, "can't be a name"),
        ("? {a: b}\n: c\n", 1, "can't be a name"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("[" * 100_000, 1, "nested more than 32 levels"),
        ("- " * 100_000, 1, "nested more than 32 levels"),
        ("{a: " * 5_000, 1, "nested more than 32 levels"),
        ("a:\n- b: " + "[" * 100_000, 2, "nested more than 32 levels"),
        ("'[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[': [", 2, "did not find expected node content"),
        ("[ # [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n", 2, "did not find expected node content"),
        ("\ta: b", 1, "cannot start any token"),
        ("a: 'b", 1, "end of stream"),
        ("\x00\x01", 0, "expected text in UTF-8"),
        ("\udc80", 0, "expected text in UTF-8"),
    ],
)
def test_invalid_yaml_is_refused(text: str, line: int, message: str) -> None:
    with pytest.raises(FormError, match=message) as caught:
        yaml_form.parse(text)
    assert caught.value.line == line
    assert (caught.value.column > 0) == (line > 0)


def test_yaml_alias_bomb_is_refused() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    with pytest.raises(FormError, match="anchors and aliases"):
        yaml_form.parse(bomb)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "the text ends here; expected a value"),
        ('{"rules":', 1, 10, "the text ends here; expected a value"),
        ('{"rules": {}', 1, 13, "the text ends here; expected ',' or '}'"),
        ('{"rules": {}}\n x', 2, 2, "unexpected x; expected the end of the text"),
        ('{"a": 1,}', 1, 9, "unexpected }; expected a name in double quotes"),
        ('{"a": [1,]}', 1, 10, "unexpected ]; expected a value"),
        ("{a: 1}", 1, 2, "unexpected a; expected a name in double quotes or '}'"),
        ("{'a': 1}", 1, 2, "unexpected '; expected a name in double quotes or '}'"),
        ('{"a" 1}', 1, 6, "unexpected 1; expected ':'"),
        ('{"a": 01}', 1, 7, "unexpected 01; expected a value"),
        ('{"a": NaN}', 1, 7, "unexpected NaN; expected a value"),
        ('{"a": True}', 1, 7, "unexpected True; expected a value"),
        ('# x\n{"a": 1}', 1, 1, "unexpected #; expected a value"),
        ('{\n "a": "b\n"}', 2, 7, "the string is never closed"),
        ('{"a": "b', 1, 7, "the string is never closed"),
        ('{"a": "b\\x"}', 1, 9, "an unknown escape in a string"),
        ('{"a": "b\\u12"}', 1, 9, "an unknown escape in a string"),
        ('{"a": "\tb"}', 1, 8, "a control character in a string"),
        ('{"rules": {"1": {},\n "1": {}}}', 2, 2, "rules 1: is given twice, first in line 1"),
        ('{"a": 1, "\\u0061": 2}', 1, 10, "a: is given twice, first in line 1"),
        ("[" * 100_000, 1, 33, "nested more than 32 levels"),
        ('{"a":' * 100_000, 1, 161, "nested more than 32 levels"),
        ("\x00", 1, 1, "unexpected \\x00; expected a value"),
    ],
)
def test_invalid_json_is_refused(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(FormError, match=re.escape(message)) as caught:
        json_form.parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_json_is_read_as_other_readers_read_it(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert json_reader.read(text).content == as_text(value)


def as_text(value: Any) -> Any:
    """The same with text in the place of numbers and truth values."""
    if isinstance(value, dict):
        return {name: as_text(held) for name, held in value.items()}
    if isinstance(value, list):
        return [as_text(held) for held in value]
    return value if value is None or isinstance(value, str) else json.dumps(value)


def test_json_errors_name_their_lines() -> None:
    rules = '{\n"10": {\n"source": "10.0.0.1/8",\n"sorce": "x"}}'
    text = f'{{"rules": {rules},\n"pools": {{"a": {{"address": [\n"1.1"]}}}}}}'
    with pytest.raises(ProfileError) as caught:
        json_form.parse(text)
    assert [problem.line for problem in caught.value.problems] == [3, 4, 6]


def test_yaml_scalars_are_not_converted() -> None:
    text = "system: {host-name: no}\nrules: {0x10: {description: 12:30}}"
    with pytest.raises(ProfileError, match="line 2: rules: 0x10: expected a whole number"):
        yaml_form.parse(text)
    text = "system: {host-name: no}\nrules: {10: {description: 12:30}, 20: ~}"
    assert yaml_form.parse(text) == {
        "system": {"host-name": "no"},
        "rules": {"10": {"description": "12:30"}, "20": {}},
    }


def test_yaml_errors_name_their_lines() -> None:
    text = "rules:\n  10:\n    source: 10.0.0.1/8\n    sorce: x\npools:\n  a:\n    address:\n    - 1.1.1\n"
    with pytest.raises(ProfileError) as caught:
        yaml_form.parse(text)
    assert [str(problem) for problem in caught.value.problems] == [
        "line 3: rules 10 source: 10.0.0.1/8: has host bits set; did you mean 10.0.0.0/8?",
        "line 4: rules 10: sorce: unknown; did you mean source?",
        "line 8: pools a address: 1.1.1: expected an address, for example 192.0.2.1",
    ]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("show rules", 1, 1, "show: expected set, delete, deactivate"),
        ('set a\nset rules 1 description "x', 2, 25, "the quote is never closed"),
        ("\x00", 1, 1, "expected set, delete"),
    ],
)
def test_invalid_set_form_is_refused(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(FormError, match=message) as caught:
        set_form.parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_set_form_reports_every_invalid_statement() -> None:
    text = "# comment\nset rules 10 source 10.0.0.1/8\n\n  set rules 10\r\nset rulez\ndelete rules 11\nset\n"
    with pytest.raises(ProfileError) as caught:
        set_form.parse(text)
    assert [str(problem) for problem in caught.value.problems] == [
        "line 2: rules 10 source: 10.0.0.1/8: has host bits set; did you mean 10.0.0.0/8?",
        "line 5: profile: rulez: unknown; did you mean rules?",
        "line 6: rules: 11: not found",
        "line 7: profile: is not complete; expected one of: system, interfaces, links, link-groups, pools, "
        "rules, timeouts, limits",
    ]


def test_set_form_accepts_delete() -> None:
    assert set_form.parse("set rules 10 pool a\nset rules 20\ndelete rules 10\n") == {"rules": {"20": {}}}


def test_curly_form_ignores_layout() -> None:
    text = """
    /* two
       lines { ; */ system{host-name gw1;}  # end
    rules 10 { pool "a"; } rules { 20; 30 { } failover-is-no-number-but { } }
    """
    with pytest.raises(ProfileError, match="line 4: rules: failover-is-no-number-but: expected a whole"):
        curly_form.parse(text)
    assert curly_form.parse(text.replace("failover-is-no-number-but { }", "")) == {
        "system": {"host-name": "gw1"},
        "rules": {"10": {"pool": "a"}, "20": {}, "30": {}},
        "marks": {"system": {"comment": "two lines { ;"}},
    }
    assert curly_form.parse("timeouts { tcp { } }") == {}


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("rules {\n", 1, 7, "the text ends here; expected one of: '}'"),
        ("rules", 1, 1, "the text ends here; expected one of: ';'"),
        ("rules; }", 1, 8, "unexpected '}'"),
        ("system { host-name gw1 }", 1, 24, "unexpected '}'; expected one of: ';'"),
        ("rules\n 10 ] ;", 2, 5, "unexpected ']'"),
        ('system { host-name "gw1; }', 1, 20, "the quote is never closed"),
        ("/* a", 1, 1, "the comment is never closed"),
        ("a {" * 100_000, 1, 300_000, "the text ends here"),
    ],
)
def test_invalid_curly_form_is_refused(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(FormError) as caught:
        curly_form.parse(text)
    assert message in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_curly_form_reports_every_invalid_statement() -> None:
    rule = "10 {\n source 10.0.0.1/8;\n pool a;\n pool b;\n action { drop; }\n }"
    text = f"rules {{\n {rule}\n 20 x;\n}}\nrulez;"
    with pytest.raises(ProfileError) as caught:
        curly_form.parse(text)
    assert [str(problem) for problem in caught.value.problems] == [
        "line 3: rules 10 source: 10.0.0.1/8: has host bits set; did you mean 10.0.0.0/8?",
        "line 5: rules 10: pool: is given twice, first in line 4",
        "line 6: rules 10 action: expected a value and ';' instead of the block",
        "line 8: rules 20: x: unknown; expected one of: source, destination, protocol, "
        "out-interface, next-hop, fwmark, action, pool, algorithm, mapping, filtering, group, "
        "redirect, failover, description",
        "line 10: profile: rulez: unknown; did you mean rules?",
    ]


def test_curly_form_does_not_descend_below_the_schema() -> None:
    with pytest.raises(ProfileError, match="line 1: profile: a: unknown"):
        curly_form.parse("a {" * 100_000 + "}" * 100_000)
