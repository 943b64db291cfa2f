# SPDX-License-Identifier: Apache-2.0
"""The host's own NAT rules as iptables and nftables print them, for an import."""

from __future__ import annotations

import asyncio

_COMMANDS = {"iptables": ("iptables-save", "-t", "nat"), "nft": ("nft", "-j", "list", "ruleset")}
_SECONDS = 10.0


async def rule_listings() -> tuple[dict[str, str], dict[str, str]]:
    """Return by dialect what its program prints, empty on failure; and the failures."""
    listings: dict[str, str] = {}
    errors: dict[str, str] = {}
    for dialect, argv in _COMMANDS.items():
        try:
            listings[dialect] = await _output(argv)
        except (OSError, TimeoutError, RuntimeError) as error:
            listings[dialect], errors[dialect] = "", f"{argv[0]}: {error or 'no answer in time'}"
    return listings, errors


async def _output(argv: tuple[str, ...]) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdout=pipe, stderr=pipe)
    try:
        out, errors = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise RuntimeError(errors.decode(errors="replace").strip()[:200])
    return out.decode(errors="replace")
