# SPDX-License-Identifier: Apache-2.0
"""The programs by name, in the groups they are loaded in, and the places of those that others tail-call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

XDP_TAIL_CALLS = (
    "xdp_match",
    "xdp_claim",
    "xdp_claim_eim",
    "xdp_refuse",
    "xdp_reset",
    "xdp_inside",
    "xdp_sweep",
    "xdp_reclaim",
    "xdp_open",
    "xdp_migrate",
    "xdp_find",
)
TC_TAIL_CALLS = (
    "tc_match", "tc_claim", "tc_claim_eim", "tc_refuse", "tc_outside_in", "tc_outside_out", "tc_reset",
    "tc_inside", "tc_own", "tc_unmatched", "tc_reclaim", "tc_open", "tc_admit",
)  # fmt: skip
TAIL_CALLS = {"xdp_programs": XDP_TAIL_CALLS, "tc_programs": TC_TAIL_CALLS}
"""By map, in the order of the indices that the programs call by."""

Group = Literal["table", "tc", "xdp", "takeover"]
GROUPS: Mapping[Group, tuple[str, ...]] = {
    "table": ("xdp_sweep", "xdp_sweep_eim", "xdp_find"),
    "tc": (*TC_TAIL_CALLS, "tc_inside_out", "tc_l3_in", "tc_l3_out"),
    "xdp": (
        "xdp_inside", "xdp_outside", "xdp_match", "xdp_reclaim", "xdp_claim", "xdp_claim_eim", "xdp_open",
        "xdp_refuse", "xdp_reset",
    ),
    "takeover": ("xdp_migrate",),
}  # fmt: skip
"""table: run by user space, on the flow table. tc: on every interface that has a role. The others are loaded,
which means verified, when an interface or a takeover needs them."""

PROGRAMS = tuple(name for names in GROUPS.values() for name in names)


def tail_call_indices() -> dict[str, int]:
    """C names of the indices into the maps of programs."""
    return {
        f"{kind.upper()}_PROGRAM_{name.removeprefix(f'{kind}_').upper()}": index
        for kind, names in (("xdp", XDP_TAIL_CALLS), ("tc", TC_TAIL_CALLS))
        for index, name in enumerate(names)
    }
