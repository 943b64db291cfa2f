# SPDX-License-Identifier: Apache-2.0
"""Defaults in `display inheritance`: those of what is configured, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from snatsh.model.document import inheritance
from snatsh.model.document.document import Document
from snatsh.model.schema.tree import Node, root
from snatsh.shell.core.answers import Configuration

LINK = {"interface": "eth1", "next-hop": "1.1.2.1"}


def shown(document: Document) -> Document:
    found = inheritance.with_defaults(document)
    assert found == inheritance.with_defaults(found)
    return found


def test_defaults_of_configured_containers_are_shown() -> None:
    link = shown({"links": {"isp-a": LINK}})["links"]["isp-a"]
    assert link["hold-down"] == 5
    assert link["interface"] == "eth1"


def test_link_without_monitor_gets_no_monitor_defaults() -> None:
    assert "monitor" not in shown({"links": {"isp-a": LINK}})["links"]["isp-a"]


def test_monitor_gets_no_unconfigured_probes() -> None:
    monitor = {"icmp": {"target": ["8.8.8.8"]}}
    found = shown({"links": {"isp-a": {**LINK, "monitor": monitor}}})["links"]["isp-a"]["monitor"]
    assert found["icmp"] == {"target": ["8.8.8.8"]}
    assert not {"arp", "tcp", "http"} & set(found)
    assert "interval" in found


def test_configured_probe_gets_its_defaults() -> None:
    monitor = {"http": {"target": ["8.8.8.8"]}}
    found = shown({"links": {"isp-a": {**LINK, "monitor": monitor}}})["links"]["isp-a"]["monitor"]
    assert found["http"]["port"] == 80


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (("rules", "10", "pool"), "pool a;\n"),
        (("rules", "10", "algorithm"), "algorithm source-destination-hash; ## default\n"),
        (("timeouts", "udp"), "replied 300; ## default\nunreplied 12;\n"),
        (("links", "isp-a", "next-hop"), "next-hop 1.1.2.1;\n"),
    ],
)
def test_only_statements_from_defaults_are_noted(path: tuple[str, ...], shown: str) -> None:
    document: Document = {
        "rules": {"10": {"pool": "a"}},
        "timeouts": {"udp": {"unreplied": 12}},
        "links": {"isp-a": LINK},
    }
    assert Configuration(document, path).display("inheritance") == shown


def test_presence_containers_follow_the_schema() -> None:
    """Containers that are None when left out, wherever they are."""
    assert {node.name for node in _containers(root()) if node.presence} == {
        "monitor", "icmp", "arp", "tcp", "http",
    }  # fmt: skip
    assert not root().children["timeouts"].children["tcp"].presence


def _containers(node: Node) -> Iterator[Node]:
    for child in node.children.values():
        if child.kind in ("container", "list"):
            yield child
            yield from _containers(child)
