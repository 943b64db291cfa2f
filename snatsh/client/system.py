# SPDX-License-Identifier: Apache-2.0
"""snatd itself: version, resources, alarms, logs, files, and what consoles report."""

from __future__ import annotations

from urllib.parse import quote

from snatsh.api.configuration import Values
from snatsh.api.system import (
    API,
    AlarmList,
    ApiNumber,
    AuditLog,
    ConsoleList,
    Empty,
    FileContent,
    FileList,
    FileRow,
    FileWritten,
    LogMessages,
    NetfilterRules,
    NoticeList,
    Resources,
    Uptime,
    Version,
)
from snatsh.client.errors import Garbled
from snatsh.client.transport import Transport


class SystemCalls(Transport):
    """What is about the gateway as a whole."""

    def version(self) -> Version:
        raw = self.send("GET", "/v1/version")
        spoken = self.understand(raw, ApiNumber).api
        if spoken != API:
            raise Garbled(f"snatd at {self.path} speaks API {spoken}; this client speaks {API}")
        return self.understand(raw, Version)

    def resources(self) -> Resources:
        return self.get("/v1/system/resources", Resources)

    def uptime(self) -> Uptime:
        return self.get("/v1/system/uptime", Uptime)

    def alarms(self) -> AlarmList:
        return self.get("/v1/system/alarms", AlarmList)

    def users(self) -> ConsoleList:
        """The open consoles."""
        return self.get("/v1/system/users", ConsoleList)

    def netfilter(self) -> NetfilterRules:
        """The gateway's own netfilter rules, for an import."""
        return self.get("/v1/netfilter/rules", NetfilterRules)

    def messages(self) -> LogMessages:
        return self.get("/v1/log/messages", LogMessages)

    def audit(self) -> AuditLog:
        return self.get("/v1/log/audit", AuditLog)

    def notices(self, after: int = 0, *, origin: str = "", terminal: str = "") -> NoticeList:
        """Events since `after`. A client that names its terminal is listed as a console."""
        asked: dict[str, str | int] = {"after": after, "origin": origin, "terminal": terminal}
        return self.get("/v1/notices", NoticeList, {name: value for name, value in asked.items() if value})

    def report(self, command: str, *, failed: bool, origin: str, terminal: str) -> None:
        """Report a command to the audit log."""
        body = {"command": command, "failed": failed, "origin": origin, "terminal": terminal}
        self.ask("POST", "/v1/commands", Empty, body)

    def files(self) -> list[FileRow]:
        """The operator's own files on the gateway."""
        return self.get("/v1/files", FileList).files

    def file(self, name: str) -> str:
        return self.get(f"/v1/files/{quote(name)}", FileContent).content

    def write_file(self, name: str, text: str, *, append: bool = False) -> int:
        """The new size of the file."""
        body = {"content": text, "append": append}
        return self.ask("PUT", f"/v1/files/{quote(name)}", FileWritten, body).size

    def delete_file(self, name: str) -> None:
        self.ask("DELETE", f"/v1/files/{quote(name)}", Empty)

    def completions(self, kind: str) -> list[str]:
        return self.get(f"/v1/completions/{quote(kind)}", Values).values
