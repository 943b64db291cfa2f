# SPDX-License-Identifier: Apache-2.0
"""Monitoring of one link: interface state, probes, and the verdict on both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from snatsh.engine.links.probes.port import LinkEndpoint, ProbePort
from snatsh.engine.links.probes.series import ProbeSeries
from snatsh.engine.links.probes.targets import Target, targets_of
from snatsh.engine.links.state_machine import (
    SAMPLES,
    Health,
    Hold,
    Quality,
    TargetHealth,
    degraded,
    heard,
    quality,
    step,
    worst_needed,
)
from snatsh.model.facts import Facts
from snatsh.model.next_hops import next_hop
from snatsh.model.schema.profile import Link

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """falls: consecutive failures, which determine the hold-down after a restart."""

    up: bool
    degraded: bool
    reason: str
    falls: int


class LinkWatch:
    """Runs in the event loop, on its monotonic clock. changed: called when the verdict changes."""

    def __init__(self, link: Link, changed: Callable[[], None], health: Health | None = None) -> None:
        self.link = link
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._hold = Hold(link.hold_down, max(link.hold_down, link.hold_down_limit))
        self._health = health or Health()
        self._fault = ""
        self._losses: tuple[int, int] | None = None
        self._degraded = ""
        self._endpoint: LinkEndpoint | None = None
        self._port: ProbePort | None = None
        self._series: list[ProbeSeries] = []
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self.targets: list[Target] = list(targets_of(link.monitor)) if link.monitor else []
        for target in self.targets:
            target.reach = TargetHealth(up=self._health.up)

    @property
    def health(self) -> Health:
        return self._health

    @property
    def verdict(self) -> LinkVerdict:
        return LinkVerdict(self._health.up, bool(self._degraded), self._reason(), self._health.falls)

    @property
    def quality(self) -> Quality | None:
        """Loss and round-trip time, over as many targets as the link requires."""
        found = (quality(list(target.results)[-SAMPLES:]) for target in self.targets)
        return worst_needed((one for one in found if one is not None), self._needed)

    def follow(self, facts: Facts, path_fault: str) -> None:
        """Follow a change of the host. path_fault: fault of the next hop, empty if none."""
        self._notice_flap(facts)
        self._fault = fault(self.link, facts) or path_fault
        endpoint = endpoint_of(self.link, facts)
        if endpoint != self._endpoint:
            self._stop()
            self._endpoint = endpoint
            self._start()
        self._look()

    def _notice_flap(self, facts: Facts) -> None:
        """Detect a carrier loss that was over before the kernel reported it."""
        known = facts.interfaces.get(self.link.interface)
        losses = (known.index, known.carrier_losses) if known is not None else None
        before, self._losses = self._losses, losses
        if before and losses and known and known.up and before[0] == losses[0] and before[1] < losses[1]:
            self._fault = self._fault or f"interface {self.link.interface} lost its carrier for a moment"
            self._look()

    def close(self) -> None:
        self._stop()
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()

    def _start(self) -> None:
        monitor, endpoint = self.link.monitor, self._endpoint
        if monitor is None or endpoint is None or not self.targets:
            return
        interval = monitor.interval / 1000
        timeout = (monitor.timeout or monitor.interval) / 1000
        try:
            self._port = ProbePort(endpoint)
            for target in self.targets:
                self._series.append(self._probe(self._port, target, interval, timeout))
        except OSError as error:
            # The interface has just lost its address or disappeared; the kernel will report that.
            log.warning("cannot send probes on %s: %s", endpoint.interface, error.strerror)
            self._stop()
            self._endpoint = None
            self._retry = self._loop.call_later(RETRY_SECONDS, self._again, endpoint)
            return
        for number, series in enumerate(self._series):
            series.start(number * interval / len(self._series))

    def _again(self, endpoint: LinkEndpoint) -> None:
        if self._endpoint is None and not self._fault:
            self._endpoint = endpoint
            self._start()

    def _probe(self, port: ProbePort, target: Target, interval: float, timeout: float) -> ProbeSeries:
        return ProbeSeries(
            lambda result: target.make(port, result), interval, timeout, lambda rtt: self._heard(target, rtt)
        )

    def _stop(self) -> None:
        for series in self._series:
            series.close()
        self._series.clear()
        if self._port is not None:
            self._port.close()
            self._port = None

    def _heard(self, target: Target, rtt: float | None) -> None:
        monitor = self.link.monitor
        if monitor is None:
            return
        target.results.append(rtt)
        target.reach = heard(target.reach, rtt is not None, monitor.fail, monitor.rise)
        self._look()

    def _look(self) -> None:
        """Update the verdict, and again when the hold-down ends."""
        before = self.verdict
        now = self._loop.time()
        self._health = step(self._health, not self._fault and self._reached, now, self._hold)
        self._degraded = self._why_degraded() if self._health.up else ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._health.due(self._hold)
        if due is not None:
            self._timer = self._loop.call_at(due, self._look)
        after = self.verdict
        if (before.up, before.degraded) != (after.up, after.degraded):
            self._changed()

    def _why_degraded(self) -> str:
        monitor = self.link.monitor
        if monitor is None or (monitor.loss_threshold is None and monitor.rtt_threshold is None):
            return ""
        loss = monitor.loss_threshold / 100 if monitor.loss_threshold else None
        rtt = monitor.rtt_threshold / 1000 if monitor.rtt_threshold else None
        return degraded(self._degraded, self.quality, loss, rtt)

    @property
    def _needed(self) -> int:
        """Number of targets that have to be reachable."""
        monitor, count = self.link.monitor, len(self.targets)
        if monitor is None or monitor.require == "any":
            return min(1, count)
        if monitor.require == "all":
            return count
        return min(monitor.quorum or count // 2 + 1, count)

    @property
    def _reached(self) -> bool:
        return sum(target.reach.up for target in self.targets) >= self._needed

    def _reason(self) -> str:
        if self._fault:
            return self._fault
        silent = [str(target) for target in self.targets if not target.reach.up]
        if not self._reached:
            return f"no reply from {', '.join(silent)}"
        if not self._health.up:
            due = self._health.due(self._hold)
            left = max(0.0, due - self._loop.time()) if due is not None else 0.0
            return f"healthy again, held down for another {left:.0f} s"
        if self._degraded:
            return self._degraded
        if silent:
            return f"no reply from {', '.join(silent)}, but from enough others"
        return "all targets reply" if self.targets else f"interface {self.link.interface} has carrier"


def fault(link: Link, facts: Facts) -> str:
    """Return the fault of the host that keeps a link down, empty if none."""
    known = facts.interfaces.get(link.interface)
    if known is None:
        return f"interface {link.interface} is missing"
    if not known.up:
        return f"interface {link.interface} is down or has no carrier"
    if not known.addresses:
        return f"interface {link.interface} has no address"
    if next_hop(link, facts) is None:
        return f"interface {link.interface} has no other end"
    return ""


def endpoint_of(link: Link, facts: Facts) -> LinkEndpoint | None:
    """Return where the probes of a link are sent, None while they cannot be."""
    known = facts.interfaces.get(link.interface)
    hop = next_hop(link, facts)
    if known is None or not known.up or not known.addresses or known.framing == "other" or hop is None:
        return None
    on_link = [own for own in known.addresses if hop in own.network]
    own = (on_link or list(known.addresses))[0].ip
    return LinkEndpoint(link.interface, known.index, known.mac, own.packed, hop.packed)
