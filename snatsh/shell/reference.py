# SPDX-License-Identifier: Apache-2.0
"""docs/cli.md, generated from the grammar: commands, pipes and statements with their parameters.

`python -m snatsh.shell.reference` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from snatsh.model.schema.tree import Node, root
from snatsh.shell.commands import configuration_mode, operational_mode
from snatsh.shell.core.command import Argument, Command, Flag, Option, Parameter
from snatsh.shell.pipes import filters

_HEAD = """\
# The command line

Generated from the grammar by `make docs`; do not edit. Words may be abbreviated if unambiguous; `?` shows
help and Tab completes anywhere. Parameters come in any order. `| json` is available after every command that
shows data.
"""


def reference() -> str:
    parts = [
        _HEAD,
        "## Operational mode\n",
        *_commands(operational_mode.COMMANDS),
        "## Configuration mode\n",
        *_commands(configuration_mode.commands(())),
        "## Pipes\n",
        *_commands(filters.all_commands()),
        "## Statements\n",
        "`set` takes these, and so does every form of a configuration. `[a]`: may be repeated.\n",
        *_statements(),
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _name(command: Command) -> str:
    return " ".join(command.words)


def _commands(commands: Iterable[Command]) -> Iterator[str]:
    for command in sorted(commands, key=_name):
        yield f"### `{_name(command)}{_usage(command)}`\n"
        yield f"{command.help}.\n"
        rows = [
            f"| `{_cell(_typed(parameter))}` | {_cell(parameter.help)} |" for parameter in command.parameters
        ]
        if rows:
            yield "\n".join(["| | |", "|---|---|", *rows]) + "\n"


def _usage(command: Command) -> str:
    if command.start is not None:
        return " …"
    shown = [f" [{_typed(parameter)}]" for parameter in command.parameters]
    return "".join(shown) if len(shown) <= 4 else " [OPTIONS]"


def _typed(parameter: Parameter) -> str:
    if isinstance(parameter, Argument):
        return parameter.value.hint
    if isinstance(parameter, Flag):
        return parameter.word
    return f"{parameter.word} {_value(parameter)}"


def _value(option: Option) -> str:
    if option.choices:
        return f"<{'|'.join(option.choices)}>"
    return option.value.hint if option.value else f"<{option.word}>"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _statements() -> Iterator[str]:
    rows = [f"| `{_cell(statement)}` | {_cell(about)} |" for statement, about in _below(root(), "")]
    yield "\n".join(["| statement | |", "|---|---|", *rows]) + "\n"


def _below(node: Node, above: str) -> Iterator[tuple[str, str]]:
    for name, child in node.children.items():
        if child.hidden:
            continue
        statement = f"{above} {name}".strip()
        if child.kind == "list":
            assert child.key is not None
            statement += f" {child.key.hint}"
        if child.value is not None:
            hint = f"[{child.value.hint}]" if child.kind == "leaf-list" else child.value.hint
            default = f" (default {child.default})" if child.default else ""
            yield f"{statement} {hint}", child.help + default
        else:
            yield statement, child.help
            yield from _below(child, statement)


if __name__ == "__main__":
    sys.stdout.write(reference())
