# SPDX-License-Identifier: Apache-2.0
"""The gateway as a whole: version, resources, alarms, consoles, logs, files."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from snatsh.api.codec import Model
from snatsh.api.commits import PendingCommit, ScheduledCommit

API = 1
"""The number of this API. Clients refuse another one."""

RoleName = Literal["view", "operator", "admin"]
AlarmClass = Literal["major", "minor"]
NoticeKind = Literal["notice", "commit", "link", "pool"]


class ApiNumber(Model, frozen=True):
    api: int


class Version(Model, frozen=True):
    """announcement: login banner. idle_timeout: minutes; None for never."""

    version: str
    api: int
    host_name: str
    user: str
    role: RoleName
    announcement: str | None
    idle_timeout: int | None


class Resources(Model, frozen=True):
    """Memory and disk in bytes."""

    flows: int
    flow_capacity: int
    bytes_per_flow: int
    map_memory: int
    daemon_memory: int
    daemon_cpu_seconds: float
    load: list[float]
    cpus: int | None
    memory_total: int
    memory_available: int
    state_disk_free: int
    state_disk_total: int


class Uptime(Model, frozen=True):
    """committed: time of the last commit."""

    now: str
    box_seconds: int
    daemon_seconds: int
    committed: str | None
    committed_by: str | None
    generation: int


class Alarm(Model, frozen=True):
    severity: AlarmClass = field(name="class")
    text: str


class AlarmList(Model, frozen=True):
    alarms: list[Alarm]


class ConsoleRow(Model, frozen=True):
    """seconds: since it was opened. command: the last one."""

    user: str
    role: RoleName
    terminal: str
    origin: str
    pid: int
    seconds: int
    idle: int
    command: str


class ConsoleList(Model, frozen=True):
    users: list[ConsoleRow]


class LogMessages(Model, frozen=True):
    """What snatd has logged."""

    lines: list[str]


class AuditEntry(Model, frozen=True):
    """A request (method, path, detail; result is its status), or a command that a console has run."""

    time: str
    user: str
    uid: int
    pid: int
    method: str | None = None
    path: str | None = None
    origin: str | None = None
    terminal: str | None = None
    command: str | None = None
    result: str | int = ""
    detail: str | None = None

    @property
    def action(self) -> str:
        """What was asked for."""
        return self.command or " ".join(filter(None, (self.method, self.path, self.detail)))


class AuditLog(Model, frozen=True):
    entries: list[AuditEntry]


class NoticeRow(Model, frozen=True):
    """kind: what it is about; `notice` from a snatd that does not say."""

    time: str
    text: str
    kind: NoticeKind = "notice"


class NoticeList(Model, frozen=True):
    """What a console shows before its prompt. last: the `after` of the next request."""

    host_name: str
    last: int
    notices: list[NoticeRow]
    pending: PendingCommit | None
    scheduled: ScheduledCommit | None


class FileRow(Model, frozen=True):
    name: str
    size: int
    changed: str


class FileList(Model, frozen=True):
    files: list[FileRow]


class FileContent(Model, frozen=True):
    content: str


class FileWritten(Model, frozen=True):
    size: int


class NetfilterRules(Model, frozen=True):
    """rules: by dialect what iptables-save and nft print. errors: why one of them printed nothing."""

    rules: dict[str, str]
    errors: dict[str, str]


class Empty(Model, frozen=True):
    """Nothing to say beyond success."""
