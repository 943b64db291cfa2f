# SPDX-License-Identifier: Apache-2.0
"""snatd itself: who and where, logs, files, what consoles tell it."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote

from snatsh.client.errors import Garbled
from snatsh.client.rows import FileRow, Notices, Version
from snatsh.client.transport import API, Transport


class SystemCalls(Transport):
    """What is about the gateway as a whole."""

    def version(self) -> Version:
        answer = cast(Version, self.get("/v1/version", "version"))
        if answer.get("api") != API:
            raise Garbled(f"snatd at {self.path} speaks API {answer.get('api')!r}; this client speaks {API}")
        return answer

    def system(self, what: str) -> dict[str, Any]:
        """resources, uptime, alarms or users."""
        return self.send("GET", f"/v1/system/{what}")

    def netfilter(self) -> dict[str, dict[str, str]]:
        """rules: by dialect what iptables-save and nft print on the box. errors: why one printed nothing."""
        return self.send("GET", "/v1/netfilter/rules")

    def log(self, name: str) -> dict[str, Any]:
        """messages (lines) or audit (entries)."""
        return self.send("GET", f"/v1/log/{name}")

    def notices(self, after: int = 0, *, origin: str = "", terminal: str = "") -> Notices:
        """What happened since `after`. Who says a terminal is taken for a console that somebody sits at."""
        asked: dict[str, str | int] = {"after": after, "origin": origin, "terminal": terminal}
        given = {name: value for name, value in asked.items() if value}
        return cast(Notices, self.get("/v1/notices", "pending", given))

    def report(self, command: str, *, failed: bool, origin: str, terminal: str) -> None:
        """Tell the audit log what was entered."""
        body = {"command": command, "failed": failed, "origin": origin, "terminal": terminal}
        self.send("POST", "/v1/commands", body)

    def files(self) -> list[FileRow]:
        """The operator's own files on the gateway."""
        return cast(list[FileRow], self.get("/v1/files", "files")["files"])

    def file(self, name: str) -> str:
        return str(self.get(f"/v1/files/{quote(name)}", "content")["content"])

    def write_file(self, name: str, text: str, *, append: bool = False) -> int:
        """How long the file is now."""
        body = {"content": text, "append": append}
        return int(self.send("PUT", f"/v1/files/{quote(name)}", body, "size")["size"])

    def delete_file(self, name: str) -> None:
        self.send("DELETE", f"/v1/files/{quote(name)}")

    def completions(self, kind: str) -> list[str]:
        path = "/v1/completions/" + quote(kind)
        return [str(value) for value in self.get(path, "values")["values"]]
