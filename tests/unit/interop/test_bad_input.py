# SPDX-License-Identifier: Apache-2.0
"""Any text is imported or refused with an error that names the line where one is known."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snatsh.interop.dialects import DIALECTS
from snatsh.interop.importing import import_text
from snatsh.model.errors import FormError, ProfileError

DIALECT_NAMES = [dialect.name for dialect in DIALECTS]
CASES = [path.read_text() for path in sorted((Path(__file__).parent / "cases").iterdir())]
SAVED = """*nat
:POSTROUTING ACCEPT [0:0]
[0:0] -A POSTROUTING -s 10.0.0.0/8 -o eth1 -p tcp -j SNAT --to-source 1.1.2.1-1.1.2.9:1024-2000 --random-fully
-A POSTROUTING -m iprange --src-range 10.0.0.1-10.0.0.6 -j MASQUERADE
-A POSTROUTING -s 10.1.0.0/28 -j NETMAP --to 1.1.5.0/28
-A POSTROUTING -d 1.2.3.4/32 -m mark --mark 0x5 -j ACCEPT
COMMIT
"""
WORDS = st.sampled_from(
    [
        *"\"'\\;#{}!-=$\n\t /:,@",
        "-K",
        "--zone",
        "-H",
        "/33",
        "0x",
        "-1",
        "$X",
        "\u2013",
        "{\n",
        "}\n",
        "snat add",
    ]
)


def attempt(text: str, dialect: str) -> None:
    with suppress(FormError, ProfileError):
        import_text(text, dialect)


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
@given(text=st.text(max_size=200) | st.lists(WORDS, max_size=30).map("".join))
def test_random_text_is_imported_or_refused(dialect: str, text: str) -> None:
    attempt(text, dialect)


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
@given(text=st.sampled_from([*CASES, SAVED]), at=st.integers(0, 3000), cut=st.integers(0, 20), put=WORDS)
def test_damaged_configurations_are_imported_or_refused(
    dialect: str, text: str, at: int, cut: int, put: str
) -> None:
    at %= len(text) + 1
    attempt(text[:at] + put + text[at + cut :], dialect)


LEAVES = st.none() | st.booleans() | st.integers() | st.sampled_from(["nat", "@s", "10.0.0.1", "tcp", ""])
NAMES = st.sampled_from(
    [
        "match",
        "left",
        "right",
        "op",
        "set",
        "elem",
        "snat",
        "addr",
        "map",
        "prefix",
        "range",
        "meta",
        "key",
        "payload",
        "counter",
        "len",
        "val",
    ]
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@given(expression=JSON, elements=JSON)
def test_random_nft_expressions_are_imported_or_refused(expression: object, elements: object) -> None:
    chain = {"family": "ip", "table": "t", "name": "c", "type": "nat", "hook": "postrouting", "prio": 100}
    rule = {"family": "ip", "table": "t", "chain": "c", "handle": 2, "expr": [expression]}
    held = {"family": "ip", "table": "t", "name": "s", "elem": elements}
    attempt(json.dumps({"nftables": [{"chain": chain}, {"set": held}, {"rule": rule}]}), "nft")


REFUSED = {
    "ipvsadm -K -f 1 -F 10.0.0.0/8": (1, 1),
    "ipvsadm -A -f 1\nipvsadm -K -f 1 -F 10.0.0.0/33 -U 1.1.1.1": (2, 20),
    "ipvsadm -K -f 1 -F 10.0.0.0/8 -U $POOL": (1, 34),
    "ipvsadm -K -f 1 -F $(cat net) -U 1.1.1.1": (1, 20),
    "iptables -t nat -A POSTROUTING -s 10.0.0.0/8 -j SNAT --to-source 1.1.1.300": (1, 66),
    "virtual_server fwmark 1 {\n snat_rule {\n  frum 10.0.0.0/8\n }\n}": (3, 3),
    "*nat\n-A POSTROUTING -m mark --mark 0x1ffffffff -j SNAT --to-source 1.1.1.1": (2, 31),
    "*nat\n-A POSTROUTING -s 10.0.0.0/8 -p tcp -j SNAT --to-source 1.1.1.1:0-5": (2, 57),
    '{"nftables": [}': (1, 15),
}


@pytest.mark.parametrize("text", REFUSED)
def test_errors_name_line_and_column(text: str) -> None:
    with pytest.raises(FormError) as refused:
        import_text(text)
    assert (refused.value.line, refused.value.column) == REFUSED[text]


def test_unrecognized_text_is_refused() -> None:
    with pytest.raises(FormError, match="no dialect recognised"):
        import_text("hello\n")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_trailing_backslash_continues_a_command(end: str) -> None:
    document, _ = import_text(f"ipvsadm -K -f 1 \\{end} -F 10.0.0.0/8 -U 1.1.1.1{end}")
    assert document["rules"]["10"]["source"] == "10.0.0.0/8"
