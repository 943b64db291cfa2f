# SPDX-License-Identifier: Apache-2.0
"""Probes of a link's targets: one module per kind, all past the routing table.

Everything is sent by packet sockets on the link's interface, from its own address, to the MAC of its
next hop. So a probe tests the link it belongs to, whatever routes, policy rules or reverse path filters say.
"""
