# SPDX-License-Identifier: Apache-2.0
"""The box's own netfilter rules, for an import. snatd reads them: a console has no privilege to."""

from __future__ import annotations

import asyncio

from aiohttp import web

from snatsh.daemon.app import Route
from snatsh.daemon.roles import Role

_LISTINGS = {"iptables": ("iptables-save", "-t", "nat"), "nft": ("nft", "-j", "list", "ruleset")}
_SECONDS = 10.0


async def rules(_request: web.Request) -> web.Response:
    """By dialect what the program prints, or nothing and in `errors` why."""
    found: dict[str, str] = {}
    errors: dict[str, str] = {}
    for dialect, argv in _LISTINGS.items():
        try:
            found[dialect] = await _output(argv)
        except (OSError, TimeoutError, RuntimeError) as error:
            found[dialect], errors[dialect] = "", f"{argv[0]}: {error or 'no answer in time'}"
    return web.json_response({"rules": found, "errors": errors})


async def _output(argv: tuple[str, ...]) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdout=pipe, stderr=pipe)
    try:
        out, wrong = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise RuntimeError(wrong.decode(errors="replace").strip()[:200])
    return out.decode(errors="replace")


ROUTES = (Route("GET", "/v1/netfilter/rules", Role.OPERATOR, rules),)
