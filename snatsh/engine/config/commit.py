# SPDX-License-Identifier: Apache-2.0
"""The commit: bring a document into the datapath and the history, or into neither.

Everything here blocks and belongs to one thread. Steps that may refuse the document come first, then
those that need space on disk or in the kernel, then one switch, then those that only release things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from snatsh.compile.compiler import announced_by, compile_profile
from snatsh.compile.image import AnnouncedRange, HookRequest, Image, InterfaceImage
from snatsh.compile.quiet import drained, silenced, without_addresses
from snatsh.engine.config.history import Metadata, Store, StoredEntry
from snatsh.engine.config.running_commit import note
from snatsh.engine.config.transaction import TimedStep, Transaction
from snatsh.model.document.document import Document, to_profile, validate_shape
from snatsh.model.errors import Problem, ProfileError
from snatsh.model.facts import NO_INDEX, Facts, InterfaceFacts
from snatsh.model.schema.profile import Profile
from snatsh.model.validate.profile_validator import validate
from snatsh.model.validate.validation_context import listed
from snatsh.model.values import Address

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

_EXAMINING = "checking and compiling the configuration"
_STAGING = "staging the datapath's tables"


@dataclass(frozen=True, slots=True)
class Plan:
    """A document compiled for the host as it is. hooks: of interfaces that exist."""

    document: Document
    profile: Profile
    facts: Facts
    image: Image
    hooks: tuple[HookRequest, ...]


Down = Callable[[Profile, Facts], frozenset[str]]
"""Returns the links of a profile that new flows must not use now."""


Drained = Callable[[], frozenset[Address]]
"""Returns the pool addresses that get no new flows."""


class AddressClaims(Protocol):
    """Which announced addresses this gateway may use and answer for."""

    def taken(self) -> frozenset[Address]:
        """Those that other stations have."""

    def unasked(self, image: Image) -> frozenset[tuple[int, int]]:
        """Those of an image for which ARP is not answered yet: index of the interface, and address."""

    def trust(self, answered: Iterable[AnnouncedRange]) -> None:
        """Take over those that the datapath answers for."""


@dataclass(frozen=True, slots=True)
class Committed:
    warnings: tuple[Problem, ...]
    ended_flows: int
    steps: tuple[TimedStep, ...]


class Committer:
    """Commits documents to the datapath. running: what it holds; None before the first."""

    def __init__(
        self, datapath: Datapath, store: Store, down: Down, claims: AddressClaims, drained: Drained
    ) -> None:
        self._datapath = datapath
        self._down = down
        self._claims = claims
        self._drained = drained
        self._store = store
        self.running: Plan | None = None

    @property
    def current(self) -> Plan:
        """The plan that the datapath runs."""
        if self.running is None:
            raise RuntimeError("no configuration is running yet")
        return self.running

    def check(self, document: Document, facts: Facts) -> tuple[Plan, Committed]:
        """Do what a commit does before it changes anything. Return what it would run."""
        transaction = Transaction()
        with transaction.timed(_EXAMINING):
            plan, warnings = self._examine(document, facts)
        transaction.step(_STAGING, lambda: self._datapath.stage(plan.image))
        return plan, Committed((*warnings, *self._capacity_warning(plan)), 0, tuple(transaction.steps))

    def commit(
        self, document: Document, facts: Facts, metadata: Metadata, *, again: bool = False
    ) -> Committed:
        """Run a document and publish it as history 0. ProfileError, or CommitError with everything undone.

        again: it ran before, so it is not validated against the host.
        """
        transaction = Transaction()
        with transaction.timed(_EXAMINING):
            plan, warnings = (self._prepare(document, facts), ()) if again else self._examine(document, facts)
        transaction.step(
            "writing the history",
            lambda: self._store.prepare(plan.document, metadata),
            self._store.discard,
        )
        self._switch(plan, transaction)
        entry = transaction.step("publishing the history", self._store.publish)
        transaction.on_failure("publishing the history", lambda: self._store.withdraw(entry))
        ended = self._settle(plan, transaction)
        self._store.trim()
        self.running = plan
        note(self._datapath.pins, entry)
        return Committed((*warnings, *self._capacity_warning(plan)), ended, tuple(transaction.steps))

    def _capacity_warning(self, plan: Plan) -> Iterator[Problem]:
        room, asked = self._datapath.max_flows, plan.profile.limits.flows
        if "flows" in plan.document.get("limits", {}) and asked != room:
            reason = f"takes effect at the next start of snatd; the flow table holds {room:,} flows now"
            yield Problem(("limits", "flows"), f"{asked}", reason, "warning")

    def adopt(self, entry: StoredEntry, document: Document, facts: Facts) -> None:
        """Run a document of the history. A missing interface joins when it appears."""
        if not self._datapath.needs_rules:
            self._claims.trust(self._datapath.answered())
        self._run(self._prepare(document, facts))
        note(self._datapath.pins, entry)

    def reapply(self, facts: Facts) -> bool:
        """Run the same document on a host that changed. Return whether the image changed."""
        if self.running is None:
            return False
        plan = self._prepare(self.running.document, facts, self.running.profile)
        if plan.image == self.running.image and plan.hooks == self.running.hooks:
            # A hook disappears with its interface, and other programs can remove one.
            self._datapath.ensure(plan.hooks)
            self._datapath.admit(plan.image)
            self.running = plan
            return False
        self._run(plan)
        return True

    def _examine(self, document: Document, facts: Facts) -> tuple[Plan, tuple[Problem, ...]]:
        plan, warnings = examine(document, facts, self._down, self._claims.taken())
        plan = self._with_renamed(self._ordered(plan))
        return plan, (*warnings, *_kept_roles(plan))

    def _prepare(self, document: Document, facts: Facts, profile: Profile | None = None) -> Plan:
        plan = prepare(document, facts, self._down, profile, self._claims.taken())
        return self._with_renamed(self._ordered(plan))

    def _ordered(self, plan: Plan) -> Plan:
        """Answer ARP only for addresses that no other station has, as far as is known; drain some."""
        image = silenced(plan.image, self._claims.unasked(plan.image))
        return replace(plan, image=drained(image, self._drained()))

    def _with_renamed(self, plan: Plan) -> Plan:
        if len(plan.hooks) == len(plan.image.hooks):
            return plan
        return with_renamed(plan, self._attached())

    def _run(self, plan: Plan) -> None:
        transaction = Transaction()
        if self.running is not None and plan.hooks == self.running.hooks:
            # Failover must not wait for the RTNL lock, which a flapping link holds.
            self._flip(plan, transaction)
            self.running = plan
            self._datapath.ensure(plan.hooks)
            self._datapath.admit(plan.image)
        else:
            self._switch(plan, transaction)
        self._settle(plan, transaction)
        self.running = plan

    def _switch(self, plan: Plan, transaction: Transaction) -> None:
        """Attach, stage and flip. New maps get their rules first: without any, everything passes."""
        needs_rules = self._datapath.needs_rules
        if needs_rules:
            self._flip(plan, transaction)
        # What is attached, by this process or by an earlier snatd.
        before = self._attached()
        transaction.step(
            "attaching to the interfaces",
            lambda: self._datapath.ensure(plan.hooks),
            lambda: self._datapath.prune(before),
        )
        if not needs_rules:
            self._flip(plan, transaction)
        self._datapath.admit(plan.image)

    def _flip(self, plan: Plan, transaction: Transaction) -> None:
        stage = transaction.step(_STAGING, lambda: self._datapath.stage(plan.image))
        transaction.step("switching the datapath", lambda: self._datapath.flip(stage), self._flip_back)

    def _settle(self, plan: Plan, transaction: Transaction) -> int:
        """Release what the new rule set no longer has. Returns the number of flows ended."""
        before = self._attached()
        transaction.step(
            "detaching from interfaces",
            lambda: self._datapath.prune(plan.hooks),
            lambda: self._datapath.ensure(before),
        )
        return transaction.step("ending flows of withdrawn addresses", self._datapath.end_withdrawn)

    def _flip_back(self) -> None:
        if self.running is not None:
            self._datapath.flip(self._datapath.stage(self.running.image))

    def _attached(self) -> tuple[HookRequest, ...]:
        return tuple(
            HookRequest(hook.interface, hook.index, hook.role, hook.mode)
            for hook in self._datapath.attached()
        )


def none_down(_profile: Profile, _facts: Facts) -> frozenset[str]:
    """For a document that is only examined."""
    return frozenset()


def examine(
    document: Document, facts: Facts, down: Down = none_down, taken: frozenset[Address] = frozenset()
) -> tuple[Plan, tuple[Problem, ...]]:
    """Validate and compile a document. Return the plan and the warnings, such as of missing interfaces."""
    document = validate_shape(document)
    profile = to_profile(document)
    problems = validate(profile, facts)
    if any(problem.severity == "error" for problem in problems):
        raise ProfileError(problems)
    return prepare(document, facts, down, profile, taken), tuple(problems)


def prepare(
    document: Document,
    facts: Facts,
    down: Down = none_down,
    profile: Profile | None = None,
    taken: frozenset[Address] = frozenset(),
) -> Plan:
    """Compile a valid document. Missing interfaces match nothing and get no hook.

    taken: addresses that other stations have; no pool uses them.
    """
    profile = profile or to_profile(document)
    complete = replace(facts, interfaces=_with_missing(profile, facts.interfaces))
    image = compile_profile(without_addresses(profile, taken), complete, down(profile, facts))
    if taken:
        image = replace(image, announced=announced_by(profile, complete))
    hooks = tuple(hook for hook in image.hooks if hook.interface in facts.interfaces)
    return Plan(document, profile, facts, image, hooks)


def with_renamed(plan: Plan, attached: Sequence[HookRequest]) -> Plan:
    """Keep role and hooks of interfaces that are not configured while one of their role is missing.

    They may have been renamed. Without role and guard, their packets would not be translated.
    """
    names = {known.index: name for name, known in plan.facts.interfaces.items()}
    missing = {one.role for name, one in plan.profile.interfaces.items() if name not in plan.facts.interfaces}
    kept = tuple(
        replace(hook, interface=names[hook.index])
        for hook in attached
        if hook.role in missing and names.get(hook.index, "") not in {"", *plan.profile.interfaces}
    )
    known = plan.facts.interfaces
    images = tuple(
        InterfaceImage(hook.interface, hook.index, hook.role, known[hook.interface].mac, None)
        for hook in kept
    )
    image = replace(
        plan.image,
        interfaces=(*plan.image.interfaces, *images),
        hooks=(*plan.image.hooks, *kept),
    )
    return replace(plan, image=image, hooks=(*plan.hooks, *kept))


def _kept_roles(plan: Plan) -> Iterator[Problem]:
    """Warn of the interfaces that `with_renamed` keeps."""
    names = plan.profile.interfaces
    for hook in plan.hooks:
        if hook.interface not in names:
            missing = sorted(
                name
                for name, one in names.items()
                if one.role == hook.role and name not in plan.facts.interfaces
            )
            reason = (
                f"is not configured and keeps role {hook.role} while {listed(missing)} is missing: "
                "it may be that interface under another name"
            )
            yield Problem(("interfaces",), hook.interface, reason, "warning")


def _with_missing(profile: Profile, present: Mapping[str, InterfaceFacts]) -> dict[str, InterfaceFacts]:
    named: Sequence[str | None] = [
        *profile.interfaces,
        *(rule.out_interface for rule in profile.rules.values()),
    ]
    missing = sorted({name for name in named if name is not None and name not in present})
    absent = {
        name: InterfaceFacts(index=NO_INDEX + number, mac=bytes(6), mtu=0, up=False)
        for number, name in enumerate(missing)
    }
    return {**present, **absent}
