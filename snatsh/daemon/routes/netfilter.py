# SPDX-License-Identifier: Apache-2.0
"""The host's own NAT rules, for an import: reading them takes privileges that consoles lack."""

from __future__ import annotations

from aiohttp import web

from snatsh.api.system import NetfilterRules
from snatsh.daemon.api import answer
from snatsh.engine.host.rule_listings import rule_listings


async def rules(_request: web.Request) -> web.Response:
    """Return by dialect what its program prints, and in `errors` why it printed nothing."""
    listings, errors = await rule_listings()
    return answer(NetfilterRules(listings, errors))
