# SPDX-License-Identifier: Apache-2.0
"""Grammar of configuration statements, derived from the schema tree on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from snatsh.model.schema.tree import Node, ValueType, root
from snatsh.shell.core.grammar import Call, Choice, Source, State, Value

Words = tuple[str, ...]
Finish = Callable[[Words], Call | None]
"""Returns the call of a statement from its path and value; None if it is incomplete."""

_LIVE_KINDS = ("interface",)
"""References to things of the gateway; all others name parts of the candidate."""


@dataclass(frozen=True, slots=True)
class StatementScope:
    """Which statements a command takes, and what it runs.

    must_end: the statement must end with a value or a list entry (`set`); else it may end anywhere.
    with_values: leaves take their value. containers_only: leaves are not offered (`edit`).
    at_start: may be empty. existing: suggest what the candidate holds rather than possible values.
    then: what follows a list entry. patterns: names may be wildcards.
    end: what may follow wherever the statement may end. chain: returns the `finish` of a further statement in
    the same container, as in `set rules 10 source S pool P`.
    """

    finish: Finish
    must_end: bool = False
    with_values: bool = True
    containers_only: bool = False
    at_start: bool = True
    existing: bool = True
    then: Callable[[Words], State] | None = None
    patterns: bool = False
    end: Callable[[Words], tuple[Choice, ...]] = lambda _: ()
    chain: Callable[[tuple[Words, ...]], Finish] | None = None
    given: tuple[Words, ...] = ()

    def after(self, path: Words) -> StatementScope:
        """Return the scope of the following statement."""
        assert self.chain is not None
        given = (*self.given, path)
        return replace(self, finish=self.chain(given), given=given)


def statement(path: Words, reach: StatementScope) -> State:
    """Return the state of a statement relative to the edit path."""
    node, in_entry = node_at(path)
    state = _inside(node, path, reach) if in_entry else _node(node, path, reach)
    return state if reach.at_start else replace(state, call=None)


def node_at(path: Words) -> tuple[Node, bool]:
    """Return the node of a path, and whether the path includes a list entry."""
    node, in_entry = root(), True
    for word in path:
        if node.kind == "list" and not in_entry:
            in_entry = True
        else:
            node = node.children[word]
            in_entry = node.kind != "list"
    return node, in_entry


def _node(node: Node, path: Words, reach: StatementScope) -> State:
    """Return the state after the name of a node."""
    end = None if reach.must_end else reach.finish(path)
    if node.kind == "container":
        return _inside(node, path, reach)
    if node.kind == "list":
        return State((_key(node, path, reach), *reach.end(path)), None if reach.containers_only else end)
    if not reach.with_values:
        return State(reach.end(path), end)
    assert node.value is not None
    choices = _values(node, node.value, path, reach)
    if reach.must_end and node.kind == "leaf-list":
        choices += (Choice("[", "Open a set of values", lambda _: _bracket(node, path, reach, ())),)
    return State(choices, end)


def _inside(node: Node, path: Words, reach: StatementScope) -> State:
    """Return the state inside a container or list entry."""
    entry = node.kind == "list"
    if reach.then is not None:
        return _entries_inside(node, path, reach)
    call = reach.finish(path) if entry or not reach.must_end else None
    choices = tuple(
        Choice(name, child.help, lambda _, child=child, name=name: _node(child, (*path, name), reach))  # type: ignore[misc]
        for name, child in node.children.items()
        if not (reach.containers_only and child.kind.startswith("leaf")) and not child.hidden
    )
    return State((*choices, *(reach.end(path) if path else ())), call)


def _entries_inside(node: Node, path: Words, reach: StatementScope) -> State:
    """Return the state inside a container where the statement must end with a list entry."""
    assert reach.then is not None
    inner = State(
        tuple(
            Choice(name, child.help, lambda _, child=child, name=name: _node(child, (*path, name), reach))  # type: ignore[misc]
            for name, child in node.children.items()
            if (child.kind == "list" and not child.hidden)
            or any(below.kind == "list" for below in child.children.values())
        )
    )
    if node.kind != "list":
        return inner
    return State((*reach.then(path).choices, *inner.choices))


def entry_key(path: Words, *, existing: bool) -> Value:
    """Return the value that names an entry of the list at `path`."""
    node, _ = node_at(path)
    assert node.key is not None

    def finish(_: Words) -> Call:
        raise AssertionError

    return _value(node.key, _key_sources(node.key, path, StatementScope(finish, existing=existing)))


def _key(node: Node, path: Words, reach: StatementScope) -> Choice:
    """Return the choice of a list entry."""
    assert node.key is not None
    value = _value(node.key, _key_sources(node.key, path, reach))
    if reach.patterns:
        value = replace(value, parse=_or_pattern(value.parse))
    return Choice(value.hint, node.help, lambda key: _inside(node, (*path, str(key)), reach), value)


def _or_pattern(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: text if any(mark in text for mark in "*?[") else parse(text)


def _key_sources(key: ValueType, path: Words, reach: StatementScope) -> tuple[Source, ...]:
    present: Source = ("candidate", *path)
    if reach.existing or key.ref is None:
        return (present,)
    return (present, *_referred(key.ref))


def _referred(ref: str) -> tuple[Source, ...]:
    """Return the sources of names for a reference."""
    return (("live", ref),) if ref in _LIVE_KINDS else (("candidate", f"{ref}s"),)


def _values(node: Node, kind: ValueType, path: Words, reach: StatementScope) -> tuple[Choice, ...]:
    """Return the choices of a value: keywords if the schema lists them."""

    def end(value: object) -> State:
        return _end(node, path, (*path, str(value)), reach)

    about = f"{node.help} (default {node.default})" if node.default else node.help
    if kind.choices:
        return tuple(Choice(word, _default_mark(word, node), end) for word in kind.choices)
    value = _value(kind, _value_sources(kind, path, reach))
    return (Choice(value.hint, about, end, value),)


def _end(node: Node, path: Words, whole: Words, reach: StatementScope) -> State:
    """Return the state after a value: the end, or a further statement in the same container."""
    if reach.chain is None:
        return State(reach.end(whole), reach.finish(whole))
    above = path[:-1]
    container, _ = node_at(above)
    following = _inside(container, above, reach.after(whole))
    given = {one[len(above)] for one in (*reach.given, whole) if one[: len(above)] == above}
    leaves = {name for name in given if container.children[name].kind == "leaf"}
    return State(tuple(c for c in following.choices if c.name not in leaves), reach.finish(whole))


def _default_mark(word: str, node: Node) -> str:
    return "(default)" if word == node.default else ""


def _value_sources(kind: ValueType, path: Words, reach: StatementScope) -> tuple[Source, ...]:
    if not reach.must_end:
        return (("candidate", *path),)
    return () if kind.ref is None else _referred(kind.ref)


def _value(kind: ValueType, sources: Sequence[Source]) -> Value:
    return Value(kind.hint, kind.parse, tuple(sources))


def _bracket(node: Node, path: Words, reach: StatementScope, given: Words) -> State:
    """Return the state inside `[ a b ]`, several values of a leaf list."""
    assert node.value is not None
    value = _value(node.value, _value_sources(node.value, path, reach))

    def more(word: object) -> State:
        return _bracket(node, path, reach, (*given, str(word)))

    def close(_: object) -> State:
        return _end(node, path, (*path, "[", *given, "]"), reach)

    choices = [Choice(value.hint, node.help, more, value)]
    if given:
        choices.insert(0, Choice("]", "Close the set of values", close))
    return State(tuple(choices))


def parent(path: Words) -> Words:
    """Return the path one level up; a list and its entry are one level."""
    above: Words = ()
    for end in range(1, len(path)):
        node, in_entry = node_at(path[:end])
        if node.kind == "container" or in_entry:
            above = path[:end]
    return above
