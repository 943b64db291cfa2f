# SPDX-License-Identifier: Apache-2.0
"""NIC offloads that change frames before XDP sees them."""

from __future__ import annotations

from typing import Any

from pyroute2 import IPRoute
from pyroute2.ethtool.ethtool import Ethtool
from pyroute2.netlink.exceptions import NetlinkError


def untagging() -> frozenset[str]:
    """Return interfaces with VLAN devices whose NIC strips the tags, which hides them from XDP."""
    try:
        with IPRoute() as netlink:
            links = list(netlink.get_links())
    except (NetlinkError, OSError):
        return frozenset()  # gathering the facts reports the error
    names = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in links}
    below = {link.get_attr("IFLA_LINK") for link in links if _is_vlan(link)}
    return frozenset(names[index] for index in below & names.keys() if takes_tags_off(names[index]))


def _is_vlan(link: Any) -> bool:
    return bool(link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") == "vlan")


def takes_tags_off(interface: str) -> bool:
    """Return whether rx-vlan-hw-parse strips VLAN tags before XDP."""
    ethtool = Ethtool()
    try:
        return bool(ethtool.get_features(interface).features["rx-vlan-hw-parse"].enable)
    except (KeyError, OSError, NetlinkError, AttributeError):
        return False  # the device does not report features
    finally:
        ethtool.close()
