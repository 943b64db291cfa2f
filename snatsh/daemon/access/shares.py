# SPDX-License-Identifier: Apache-2.0
"""What one user may take of snatd at once, so that no user takes it from root, the others and the links."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from snatsh.model.errors import SnatshError


class TooMuch(SnatshError):
    """The user has taken all of the user's share."""


class Overloaded(SnatshError):
    """All users together have taken what there is for users other than root."""


class TooSlow(SnatshError):
    """The body did not arrive in time."""


@dataclass(frozen=True, slots=True)
class ShareLimits:
    """Each for one user, or for all users other than root. patience: seconds to wait for a turn."""

    requests: int = 8
    listings: int = 2
    all_listings: int = 6
    body_bytes: int = 32 << 20
    all_body_bytes: int = 96 << 20
    body_seconds: float = 30.0
    listing_seconds: float = 120.0
    patience: float = 10.0


LIMITS = ShareLimits()
_WORTH_TRIMMING = 1 << 20
_TRIM_SECONDS = 1.0


def is_unlimited(uid: int) -> bool:
    """Whether a user is root, or the user snatd runs as: limits are for the others."""
    return uid in (0, os.geteuid())


class Turns:
    """So many at once for each user, and for all users together; the next waits for its turn."""

    def __init__(self, what: str, each: int, together: int | None = None) -> None:
        self._what = what
        self._each = each
        self._users: dict[int, asyncio.Semaphore] = {}
        self._using: Counter[int] = Counter()
        self._together = None if together is None else asyncio.Semaphore(together)

    @asynccontextmanager
    async def turn(self, uid: int) -> AsyncIterator[None]:
        """Wait for a turn. TooMuch, Overloaded: none came."""
        if is_unlimited(uid):
            yield
            return
        async with self._of_user(uid):
            if self._together is None:
                yield
                return
            await _acquire(self._together, Overloaded(f"too many {self._what} at once; try again later"))
            try:
                yield
            finally:
                self._together.release()

    @asynccontextmanager
    async def _of_user(self, uid: int) -> AsyncIterator[None]:
        slots = self._users.setdefault(uid, asyncio.Semaphore(self._each))
        self._using[uid] += 1
        try:
            message = (
                f"{self._each} {self._what} of this user are being handled; try again when one has ended"
            )
            await _acquire(slots, TooMuch(message))
            try:
                yield
            finally:
                slots.release()
        finally:
            self._using[uid] -= 1
            if not self._using[uid]:
                del self._using[uid], self._users[uid]


async def _acquire(slots: asyncio.Semaphore, refusal: SnatshError) -> None:
    try:
        async with asyncio.timeout(LIMITS.patience):
            await slots.acquire()
    except TimeoutError:
        raise refusal from None


class BodyMemory:
    """Bytes of request bodies that are held, by user."""

    def __init__(self, limits: ShareLimits = LIMITS) -> None:
        self._limits = limits
        self._held: Counter[int] = Counter()

    def take(self, uid: int, size: int) -> None:
        """Count bytes that have arrived. TooMuch, Overloaded: there is no room for them."""
        if not is_unlimited(uid):
            if self._held[uid] + size > self._limits.body_bytes:
                raise TooMuch(
                    f"more than {self._limits.body_bytes >> 20} MiB of request bodies of this user at once; "
                    "send one after the other"
                )
            if self._held.total() + size > self._limits.all_body_bytes:
                raise Overloaded("too many large request bodies at once; try again later")
            self._held[uid] += size

    def free(self, uid: int, size: int) -> None:
        """Uncount bytes whose request has ended."""
        if uid in self._held:
            self._held[uid] -= size
            if self._held[uid] <= 0:
                del self._held[uid]


class Shares:
    """All that is shared."""

    def __init__(self, limits: ShareLimits = LIMITS) -> None:
        self.limits = limits
        self.requests = Turns("requests", limits.requests)
        self.listings = Turns("large listings", limits.listings, limits.all_listings)
        self.bodies = BodyMemory(limits)
        self._trimming: asyncio.TimerHandle | None = None

    def freed(self, size: int) -> None:
        """Return memory to the system soon, when much was freed: the C library keeps it otherwise."""
        if size >= _WORTH_TRIMMING and self._trimming is None:
            self._trimming = asyncio.get_running_loop().call_later(_TRIM_SECONDS, self._trim)

    def _trim(self) -> None:
        self._trimming = None
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
        if trim is not None:
            trim(0)
