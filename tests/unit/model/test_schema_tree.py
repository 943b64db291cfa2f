# SPDX-License-Identifier: Apache-2.0
"""The schema tree agrees with the schema."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snatsh.model.schema.profile import Profile
from snatsh.model.schema.tree import Node, root
from tests.unit.model.strategies import values


def leaves(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    for name, child in node.children.items():
        if child.value:
            yield (*path, name), child
        else:
            yield from leaves(child, (*path, name))


LEAVES = dict(leaves(root()))
LISTS = [child for child in root().children.values() if child.kind == "list"]


def test_every_schema_field_has_help() -> None:
    assert tuple(root().children) == tuple(
        field.alias or name for name, field in Profile.model_fields.items()
    )
    assert tuple(root().children["rules"].children)[:2] == ("source", "destination")
    assert len(LEAVES) > 40
    assert all(node.help for node in LEAVES.values())
    assert root() is root()


@pytest.mark.parametrize(
    ("path", "value", "default", "mandatory"),
    [
        ("interfaces role", ("enum", "<inside|outside>", None), None, True),
        ("interfaces hook", ("enum", "<auto|xdp|tc>", None), "auto", False),
        ("links interface", ("name", "<interface>", "interface"), None, True),
        ("links next-hop", ("address", "<address>", None), None, False),
        ("links monitor tcp port", ("integer", "<1..65535>", None), "443", False),
        ("pools address", ("address-range", "<address|range|prefix>", None), None, False),
        ("pools ports", ("port-range", "<port|range>", None), "1024-65535", False),
        ("rules source", ("prefix", "<prefix>", None), None, False),
        ("rules pool", ("name", "<pool>", "pool"), None, False),
        ("rules description", ("string", "<text>", None), None, False),
        ("timeouts tcp time-wait", ("integer", "<5..86400>", None), "120", False),
    ],
)
def test_leaf_nodes(
    path: str, value: tuple[str, str, str | None], default: str | None, mandatory: bool
) -> None:
    node = LEAVES[tuple(path.split())]
    assert node.value
    assert (node.value.kind, node.value.hint, node.value.ref) == value
    assert (node.default, node.mandatory) == (default, mandatory)


def test_list_nodes_have_keys() -> None:
    assert {node.name: (node.key.hint, node.key.ref) for node in LISTS if node.key} == {
        "interfaces": ("<interface>", "interface"),
        "links": ("<link>", "link"),
        "link-groups": ("<link-group>", "link-group"),
        "pools": ("<pool>", "pool"),
        "rules": ("<1..1000000>", None),
        "marks": ("<text>", None),
    }


@pytest.mark.parametrize(
    ("path", "token", "reason"),
    [
        ("rules source", "10.0.0.1/8", "has host bits set; did you mean 10.0.0.0/8?"),
        ("rules source", "10.0.0.0/33", "expected a prefix"),
        ("rules source", "2001:db8::/32", "IPv6 is not translated yet"),
        ("rules next-hop", "1.2.3", "expected an address"),
        ("rules next-hop", "01.2.3.4", "expected an address"),
        ("rules action", "accept", "expected one of: translate, exempt, drop"),
        ("pools address", "1.1.1.9-1.1.1.1", "did you mean 1.1.1.1-1.1.1.9?"),
        ("pools ports", "0-10", "ports go from 1 to 65535"),
        ("pools ports", "65536", "ports go from 1 to 65535"),
        ("timeouts tcp syn", "4", "expected a whole number from 5 to 86400"),
        ("timeouts tcp syn", "030", "expected a whole number"),
        ("timeouts tcp syn", "9" * 5000, "expected a whole number"),
        ("rules description", "two\nlines", "expected one line of text"),
        ("rules description", "x" * 201, "up to 200 characters"),
        ("rules description", "\ud800", "expected one line of text"),
        ("rules pool", "-a", "expected a name"),
        ("links interface", "eth0:1", "expected an interface name"),
        ("system host-name", "a.b", "expected a host name"),
    ],
)
def test_invalid_values_are_refused_with_a_reason(path: str, token: str, reason: str) -> None:
    kind = LEAVES[tuple(path.split())].value
    assert kind
    with pytest.raises(ValueError) as caught:
        kind.parse(token)
    assert reason in str(caught.value)


@settings(max_examples=20)
@given(data=st.data())
@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_canonical_values_are_valid_in_the_schema(path: tuple[str, ...], data: st.DataObject) -> None:
    kind = LEAVES[path].value
    assert kind
    value = data.draw(values(kind))
    assert kind.parse(str(value)) == value
    assert dumped(path, value) == value


@given(path=st.sampled_from(sorted(LEAVES)), token=st.text(max_size=20))
def test_values_accepted_by_the_tree_are_valid_in_the_schema(path: tuple[str, ...], token: str) -> None:
    kind = LEAVES[path].value
    assert kind
    try:
        value = kind.parse(token)
    except ValueError:
        return
    assert dumped(path, value) == value


def dumped(path: tuple[str, ...], value: str) -> Any:
    """The value as it comes back from the pydantic model that the path's leaf is a field of."""
    names = {"interfaces": "eth0", "links": "isp", "pools": "a", "rules": "10", "failover": "isp",
             "marks": "rules"}  # fmt: skip
    whole: dict[str, Any] = {
        "interfaces": {"eth0": {"role": "inside"}},
        "links": {"isp": {"interface": "eth1", "next-hop": "1.1.1.1"}},
    }
    is_list = LEAVES[path].kind == "leaf-list"
    if path[0] == "link-groups":
        names |= {"link-groups": "wan", "link": "isp"}
    way = [token for name in path[:-1] for token in ((name, names[name]) if name in names else (name,))]
    at: Any = whole
    for token in way:
        at = at.setdefault(token, {})
    at[path[-1]] = [value] if is_list else value
    found: Any = Profile.model_validate(whole).model_dump(mode="json", by_alias=True, exclude_unset=True)
    for token in (*way, path[-1]):
        found = found[token]
    return found[0] if is_list else found


def test_importing_the_tree_is_cheap() -> None:
    heavy = "yaml", "lark", "numpy", "aiohttp", "prompt_toolkit", "textual", "bcc"
    code = f"import sys, snatsh.model.schema.tree; assert not set({heavy!r}) & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_forms_import_no_parser_generator() -> None:
    code = (
        "import sys; from snatsh.model.forms import curly_form, set_form, yaml_form;"
        "from snatsh.model.changes import diff;"
        "curly_form.render({}); assert 'lark' not in sys.modules;"
        "curly_form.parse('system { host-name a; }'); assert 'lark' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
