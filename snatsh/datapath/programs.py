# SPDX-License-Identifier: Apache-2.0
"""The programs by name, and the places of those that others tail-call."""

from __future__ import annotations

XDP_TAIL_CALLS = (
    "xdp_match",
    "xdp_claim",
    "xdp_claim_eim",
    "xdp_refuse",
    "xdp_reset",
    "xdp_inside",
    "xdp_sweep",
    "xdp_reclaim",
)
TC_TAIL_CALLS = (
    "tc_match", "tc_claim", "tc_claim_eim", "tc_refuse", "tc_outside_in", "tc_outside_out", "tc_reset",
    "tc_inside", "tc_own", "tc_unmatched", "tc_reclaim", "tc_open",
)  # fmt: skip
TAIL_CALLS = {"xdp_programs": XDP_TAIL_CALLS, "tc_programs": TC_TAIL_CALLS}
"""By map, in the order of the indices that the programs call by."""

XDP_PROGRAMS = (
    *XDP_TAIL_CALLS, "xdp_outside", "xdp_sweep_eim", "xdp_find", "xdp_migrate",
)  # fmt: skip
TC_PROGRAMS = (*TC_TAIL_CALLS, "tc_inside_out", "tc_l3_in", "tc_l3_out")
PROGRAMS = (*XDP_PROGRAMS, *TC_PROGRAMS)


def tail_call_indices() -> dict[str, int]:
    """C names of the indices into the maps of programs."""
    return {
        f"{kind.upper()}_PROGRAM_{name.removeprefix(f'{kind}_').upper()}": index
        for kind, names in (("xdp", XDP_TAIL_CALLS), ("tc", TC_TAIL_CALLS))
        for index, name in enumerate(names)
    }
