# SPDX-License-Identifier: Apache-2.0
"""Probes of a link's targets: one module per kind, all bypassing the routing table.

Probes are sent through packet sockets on the link's interface, from its address, to the MAC address of
its next hop. A probe tests its link, whatever routes, policy rules or reverse path filters are set.
"""
