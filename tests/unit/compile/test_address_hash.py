# SPDX-License-Identifier: Apache-2.0
"""Address selection equals lvs-snat's, by vectors from its kernel module."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from snatsh.compile.address_hash import source_destination_hash, source_hash, tuple_hash
from snatsh.model.values import AddressRange

VECTORS = Path(__file__).with_name("lvs_snat_ip_selection.txt").read_text().splitlines()


@pytest.mark.parametrize("line", VECTORS)
def test_hashes_select_the_same_address_as_lvs_snat(line: str) -> None:
    source, _, destination, _, text, sh, sdh, *_ = line.split()
    pool = AddressRange.parse(text)
    by_source = source_hash(IPv4Address(source), pool.size)
    by_both = source_destination_hash(IPv4Address(source), IPv4Address(destination), pool.size)
    assert f"sh={pool.first + by_source}" == sh
    assert f"sdh={pool.first + by_both}" == sdh


def test_lvs_snat_test_vectors_exist() -> None:
    assert len(VECTORS) == 24


@pytest.mark.parametrize("size", [1, 2, 3, 11, 256, 65_536])
def test_hash_indices_cover_the_pool(size: int) -> None:
    sources = [IPv4Address(0x0A000000 + number) for number in range(4000)]
    indices = [source_hash(source, size) for source in sources]
    assert all(0 <= index < size for index in indices)
    if size <= 256:
        spread = Counter(indices)
        assert len(spread) == size
        assert max(spread.values()) < 3 * 4000 / size


def test_tuple_hash_distinguishes_ports() -> None:
    source, destination = IPv4Address("10.0.0.1"), IPv4Address("8.8.8.8")
    assert len({tuple_hash(source, destination, port, 443, 1 << 16) for port in range(1000, 1100)}) > 95
    assert len({tuple_hash(source, destination, 1000, port, 1 << 16) for port in range(1000, 1100)}) > 95
