# SPDX-License-Identifier: Apache-2.0
"""Connection tracking with room for the flows that are measured: at its defaults it would refuse them.

The size of its table belongs to the host; it is put back at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER = Path("/proc/sys/net/netfilter")
_SETTINGS = ("nf_conntrack_buckets", "nf_conntrack_max")


@contextmanager
def sized_for(flows: int) -> Iterator[None]:
    """Table and hash hold at least `flows` entries meanwhile."""
    before = {name: (_FOLDER / name).read_text() for name in _SETTINGS}
    try:
        for name in _SETTINGS:
            (_FOLDER / name).write_text(str(max(flows, int(before[name]))))
        yield
    finally:
        for name, value in before.items():
            (_FOLDER / name).write_text(value)
