# SPDX-License-Identifier: Apache-2.0
"""The lab: leak checks detect leaks, and labs are isolated from each other."""

from __future__ import annotations

import pytest

from snatsh.lab.namespaces import Lab, LabError
from snatsh.lab.topology import demo
from tests.e2e.harness import no_leak


def test_watch_detects_untranslated_packets(bare_lab: Lab) -> None:
    """A gateway that only routes lets everything out as it is: the watch must say so."""
    with pytest.raises(AssertionError, match="isp-a saw packets untranslated: 3"), no_leak(bare_lab):
        bare_lab["client-a"].run("ping", "-c", "3", "-i", "0.01", "-W", "1", "8.8.8.8", check=False)


def test_no_leak_passes_without_traffic(bare_lab: Lab) -> None:
    with no_leak(bare_lab):
        bare_lab["client-a"].run("ping", "-c", "3", "-i", "0.01", "192.168.40.1")


def test_labs_run_in_parallel(bare_lab: Lab) -> None:
    with Lab(demo()) as other:
        other["client-a"].run("ip", "link", "set", "eth0", "down")
        bare_lab["client-a"].run("ping", "-c", "1", "192.168.40.1")
    bare_lab["client-a"].run("ping", "-c", "1", "192.168.40.1")


def test_failed_command_names_node_and_reason(bare_lab: Lab) -> None:
    with pytest.raises(LabError, match=r"client-a: ip link show eth9: .*eth9"):
        bare_lab["client-a"].run("ip", "link", "show", "eth9")
