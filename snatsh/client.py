"""Blocking client of snatd, for every console. Standard library only: it imports in milliseconds."""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, cast
from urllib.parse import quote, urlencode

from snatsh import __version__
from snatsh.model.errors import Problem, SnatshError

DEFAULT_SOCKET = Path("/run/snatsh/snatd.sock")
API = 1

ANSWER_LIMIT = 256 << 20
"""Bytes of an answer. A listing of a million flows stays below."""

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0
_COMMIT_SECONDS = 300.0
_CHUNK = 1 << 18

Document = dict[str, Any]
FlowFilter = Mapping[str, str | int]
"""source, destination, mapped, protocol, rule, state, port."""


class Version(TypedDict):
    version: str
    api: int
    host_name: str
    user: str
    role: Literal["view", "operator", "admin"]


class Statement(TypedDict):
    verb: Literal["set", "delete"]
    path: list[str]


class Candidate(TypedDict):
    document: Document
    changed: bool


class ProblemRow(TypedDict):
    path: list[str]
    value: str
    reason: str
    severity: Literal["error", "warning"]


class Commit(TypedDict):
    number: int
    warnings: list[ProblemRow]
    ended_flows: int
    milliseconds: float
    scheduled: str


class Waiting(TypedDict):
    """A commit that has to be confirmed."""

    user: str
    minutes: int
    deadline: str
    seconds: float


class Scheduled(TypedDict):
    user: str
    at: str
    comment: str | None


class Notice(TypedDict):
    time: str
    text: str


class Notices(TypedDict):
    """What a console shows before its prompt. last: to be handed back as `after`."""

    host_name: str
    last: int
    notices: list[Notice]
    pending: Waiting | None
    scheduled: Scheduled | None


class EditSession(TypedDict):
    """Another console in configuration mode. text: the same in Junos' words."""

    user: str
    terminal: str
    pid: int
    mode: str
    started: str
    idle: int
    path: list[str]
    text: str


class Entered(TypedDict):
    changed: bool
    others: list[EditSession]


class History(TypedDict):
    entries: list[HistoryEntry]
    pending: Waiting | None
    scheduled: Scheduled | None


class HistoryEntry(TypedDict):
    number: int
    time: str
    user: str
    method: str
    comment: str | None


class Flow(TypedDict):
    source: str
    source_port: int
    destination: str
    destination_port: int
    protocol: str
    mapped: str
    mapped_port: int
    state: str
    rule: int
    out_interface: str
    packets_out: int
    bytes_out: int
    packets_in: int
    bytes_in: int
    age: float
    idle: float
    expires: float


class Flows(TypedDict):
    flows: list[Flow]
    total: int
    matched: int
    capacity: int


class AddressUsage(TypedDict):
    address: str
    tcp: int
    udp: int
    icmp: int
    created: int
    exhausted: int


class Active(TypedDict):
    tcp: int
    udp: int
    icmp: int


class PoolRow(TypedDict):
    name: str
    addresses: int
    ports: str
    announce: str
    active: Active
    created: int
    exhausted: int
    usage: list[AddressUsage]


class LinkRow(TypedDict):
    name: str
    interface: str
    next_hop: str
    state: Literal["up", "down"]
    since: str
    reason: str


class Reason(TypedDict):
    reason: str
    help: str
    packets: int
    bytes: int


class Drops(TypedDict):
    drops: list[Reason]
    handed_up: list[Reason]


class InterfaceRow(TypedDict):
    name: str
    index: int
    role: str
    hook: str
    state: str
    mac: str
    mtu: int
    addresses: list[str]


class Talker(TypedDict):
    source: str
    flows: int
    packets: int
    bytes: int
    rate: int


class Subscriber(TypedDict):
    address: str
    sessions: int
    refused: int


class Subscribers(TypedDict):
    """allowed: sessions each may hold, None for any number."""

    subscribers: list[Subscriber]
    total: int
    allowed: int | None


class Verdict(TypedDict):
    verdict: str
    reason: str
    rule: int | None
    pool: str | None
    addresses: list[str]
    out_interface: str
    next_hop: str
    others: list[dict[str, Any]]


class Trial(TypedDict):
    """What would happen to a packet. candidate: only where it differs from what runs."""

    running: Verdict
    candidate: NotRequired[Verdict]
    flow: dict[str, Any] | None


class FileRow(TypedDict):
    name: str
    size: int
    changed: str


RuleRow = dict[str, Any]
"""number, order, the rule's fields by their names in the profile, flows, created, packets, bytes."""


class ClientError(SnatshError):
    """snatd did not do what was asked."""


class ServerGone(ClientError):
    """Nobody answers on the socket."""


class TimedOut(ClientError):
    """snatd is there but does not answer in time."""


class Garbled(ClientError):
    """What answers is not a snatd this client understands."""


class Refused(ClientError):
    """The role of this user does not allow the request."""


class Rejected(ClientError):
    """snatd understood the request and says no. statement, index: which statement and token of it."""

    def __init__(self, message: str, error: Mapping[str, Any] | None = None, status: int = 0) -> None:
        super().__init__(message)
        error = error or {}
        self.status = status
        self.problems = tuple(_problem(row) for row in _rows(error.get("problems")))
        self.index = _integer(error.get("index"))
        self.statement = _integer(error.get("statement"))
        expected = error.get("expected")
        self.expected = tuple(map(str, expected)) if isinstance(expected, list) else ()


class Busy(Rejected):
    """Another commit is running."""


def socket_path(given: str | os.PathLike[str] | None = None) -> Path:
    """The socket to use: as given, else as in SNATSH_SOCKET, else the usual one."""
    return Path(given or os.environ.get("SNATSH_SOCKET") or DEFAULT_SOCKET)


class Client:
    """One connection per request, so that a restart of snatd between two requests goes unnoticed."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        timeout: float = _ANSWER_SECONDS,
        answer_limit: int = ANSWER_LIMIT,
    ) -> None:
        self.path = socket_path(path)
        self._timeout = timeout
        self._answer_limit = answer_limit
        self.mode = ""

    def version(self) -> Version:
        answer = cast(Version, self._get("/v1/version", "version"))
        if answer.get("api") != API:
            raise Garbled(f"snatd at {self.path} speaks API {answer.get('api')!r}; this client speaks {API}")
        return answer

    def configuration(self) -> Document:
        return cast(Document, self._get("/v1/configuration", "document")["document"])

    def candidate(self) -> Candidate:
        return cast(Candidate, self._get("/v1/candidate", "document"))

    def edit(self, statements: Sequence[Statement]) -> bool:
        """Apply all statements to the candidate, or none. Whether it differs from running now."""
        body = {"statements": list(statements)}
        return bool(self._send("POST", "/v1/candidate/statements", body, "changed")["changed"])

    def replace_candidate(self, document: Document) -> None:
        self._send("PUT", "/v1/candidate", {"document": document})

    def merge_candidate(self, document: Document) -> None:
        self._send("POST", "/v1/candidate/merge", {"document": document})

    def rollback(self, number: int | str = 0) -> None:
        """To a number, or to `rescue`."""
        self._send("POST", "/v1/candidate/rollback", {"number": number})

    def update(self) -> list[str]:
        """Bring a private candidate up to date; its changes that win over what runs."""
        return [str(row) for row in self._send("POST", "/v1/candidate/update", {}, "kept")["kept"]]

    def commit(
        self,
        *,
        check: bool = False,
        comment: str | None = None,
        confirmed: int | None = None,
        at: str | None = None,
    ) -> Commit:
        """confirmed: minutes within which another commit has to follow. at: a time for later."""
        body = {"check": check, "comment": comment, "confirmed": confirmed, "at": at}
        answer = self._send("POST", "/v1/commit", body, "warnings", timeout=_COMMIT_SECONDS)
        return cast(Commit, answer)

    def abort(self) -> None:
        """End the commit that waits to be confirmed."""
        self._send("POST", "/v1/commit/abort", {}, timeout=_COMMIT_SECONDS)

    def unschedule(self) -> Scheduled:
        return cast(Scheduled, self._send("DELETE", "/v1/commit/scheduled", None, "at"))

    def save_rescue(self) -> None:
        self._send("PUT", "/v1/history/rescue", {})

    def delete_rescue(self) -> None:
        self._send("DELETE", "/v1/history/rescue")

    def enter(self, mode: str, terminal: str) -> Entered:
        """Enter configuration mode: shared, private or exclusive."""
        return cast(
            Entered, self._send("POST", "/v1/sessions", {"mode": mode, "terminal": terminal}, "others")
        )

    def move(self, path: Sequence[str]) -> None:
        """Say where in the configuration this console is."""
        self._send("PUT", "/v1/sessions/path", {"path": list(path)})

    def leave(self) -> None:
        self._send("DELETE", "/v1/sessions")

    def sessions(self) -> list[EditSession]:
        """The other consoles in configuration mode."""
        return cast(list[EditSession], self._get("/v1/sessions", "sessions")["sessions"])

    def notices(self, after: int = 0) -> Notices:
        return cast(Notices, self._get("/v1/notices", "pending", {"after": after} if after else None))

    def report(self, command: str, *, failed: bool, origin: str, terminal: str) -> None:
        """Tell the audit log what was entered."""
        body = {"command": command, "failed": failed, "origin": origin, "terminal": terminal}
        self._send("POST", "/v1/commands", body)

    def history(self) -> list[HistoryEntry]:
        return self.commits()["entries"]

    def commits(self) -> History:
        """The history, and the commits that wait."""
        return cast(History, self._get("/v1/history", "entries"))

    def committed(self, number: int | str) -> Document:
        return cast(Document, self._get(f"/v1/history/{number}", "document")["document"])

    def flows(self, filters: FlowFilter | None = None, *, limit: int = 100, sort: str | None = None) -> Flows:
        query: dict[str, str | int] = {"limit": limit, **(filters or {})}
        if sort is not None:
            query["sort"] = sort
        return cast(Flows, self._get("/v1/flows", "flows", query))

    def end_flows(self, filters: FlowFilter | None = None) -> int:
        """End the flows that match, all without filters; how many those were."""
        return int(self._send("DELETE", _with_query("/v1/flows", filters), None, "ended")["ended"])

    def talkers(self, filters: FlowFilter | None = None, *, limit: int = 10) -> list[Talker]:
        """The inside addresses with the most bytes."""
        return cast(
            list[Talker], self._get("/v1/talkers", "talkers", {"limit": limit, **(filters or {})})["talkers"]
        )

    def subscribers(self, limit: int = 100) -> Subscribers:
        return cast(Subscribers, self._get("/v1/subscribers", "subscribers", {"limit": limit}))

    def system(self, what: str) -> dict[str, Any]:
        """resources, uptime, alarms or users."""
        return self._send("GET", f"/v1/system/{what}")

    def log(self, name: str) -> dict[str, Any]:
        """messages (lines) or audit (entries)."""
        return self._send("GET", f"/v1/log/{name}")

    def try_packet(self, packet: Mapping[str, str | int]) -> Trial:
        """source, destination, protocol, source_port, destination_port, interface."""
        return cast(Trial, self._send("POST", "/v1/test/packet", dict(packet), "running"))

    def pools(self) -> list[PoolRow]:
        return cast(list[PoolRow], self._get("/v1/pools", "pools")["pools"])

    def rules(self) -> list[RuleRow]:
        return cast(list[RuleRow], self._get("/v1/rules", "rules")["rules"])

    def links(self) -> list[LinkRow]:
        return cast(list[LinkRow], self._get("/v1/links", "links")["links"])

    def drops(self) -> Drops:
        return cast(Drops, self._get("/v1/drops", "drops"))

    def interfaces(self) -> list[InterfaceRow]:
        return cast(list[InterfaceRow], self._get("/v1/interfaces", "interfaces")["interfaces"])

    def files(self) -> list[FileRow]:
        """The operator's own files on the gateway."""
        return cast(list[FileRow], self._get("/v1/files", "files")["files"])

    def file(self, name: str) -> str:
        return str(self._get(f"/v1/files/{quote(name)}", "content")["content"])

    def write_file(self, name: str, text: str, *, append: bool = False) -> int:
        """How long the file is now."""
        body = {"content": text, "append": append}
        return int(self._send("PUT", f"/v1/files/{quote(name)}", body, "size")["size"])

    def delete_file(self, name: str) -> None:
        self._send("DELETE", f"/v1/files/{quote(name)}")

    def completions(self, kind: str) -> list[str]:
        path = "/v1/completions/" + quote(kind)
        return [str(value) for value in self._get(path, "values")["values"]]

    def _get(self, path: str, key: str, query: FlowFilter | None = None) -> dict[str, Any]:
        return self._send("GET", _with_query(path, query), None, key)

    def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """The answer's JSON object, which has `key`; every failure as a ClientError."""
        connection = _Connection(self.path, self._timeout if timeout is None else timeout)
        headers = {"User-Agent": f"snatsh/{__version__}"}
        if self.mode:
            headers["Snatsh-Mode"] = self.mode
        encoded = None
        if body is not None:
            encoded = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, encoded, headers)
            response = connection.getresponse()
            raw = connection.read_bounded(response, self._answer_limit)
        except TimeoutError:
            raise TimedOut(f"snatd at {self.path} does not answer {method} {path} in time") from None
        except (http.client.RemoteDisconnected, http.client.IncompleteRead):
            raise ServerGone(f"snatd at {self.path} went away before it had answered") from None
        except http.client.HTTPException as error:
            raise Garbled(f"what answers at {self.path} does not speak HTTP: {error!r}") from None
        except OSError as error:
            raise self._gone(error) from None
        finally:
            connection.close()
        return self._understand(response.status, raw, key)

    def _gone(self, error: OSError) -> ClientError:
        if error.errno in (errno.EACCES, errno.EPERM):
            return Refused(f"no permission to open {self.path}; ask for membership in the group snatsh")
        if error.errno in (errno.ECONNRESET, errno.EPIPE):
            return ServerGone(f"snatd at {self.path} went away before it had answered")
        return ServerGone(
            f"no snatd answers at {self.path} ({os.strerror(error.errno or 0) if error.errno else error}); "
            f"start it with: snatd --socket {self.path}"
        )

    def _understand(self, status: int, raw: bytes, key: str | None) -> dict[str, Any]:
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            raise Garbled(f"snatd at {self.path} answers {status} without JSON") from None
        if not isinstance(answer, dict):
            raise Garbled(f"snatd at {self.path} answers {status} without an object")
        if status >= 400:
            raise _refusal(status, answer)
        if key is not None and key not in answer:
            raise Garbled(f"snatd at {self.path} answers without {key!r}; are both of the same release?")
        return answer


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket, with one deadline for all of a request."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost")
        self._path = path
        self._deadline = time.monotonic() + seconds

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CONNECT_SECONDS)
        self.sock.connect(os.fspath(self._path))
        self._await()

    def _await(self) -> None:
        """Let the next wait on the socket last until the deadline at most."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self.sock is not None:
            self.sock.settimeout(left)

    def read_bounded(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        """The whole body. A peer that drips does not outlast the deadline."""
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise Garbled(f"the answer of snatd at {self._path} is longer than {limit} bytes")
            self._await()
        if response.length:
            raise http.client.IncompleteRead(bytes(body), response.length)
        return bytes(body)


def _with_query(path: str, query: FlowFilter | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _refusal(status: int, answer: Mapping[str, Any]) -> ClientError:
    error = answer.get("error")
    if not isinstance(error, dict):
        error = {}
    message = str(error.get("message") or f"snatd answers with status {status} and no reason")
    if status == 403:
        return Refused(message)
    return (Busy if status == 409 else Rejected)(message, error, status)


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _problem(row: Mapping[str, Any]) -> Problem:
    path = row.get("path")
    return Problem(
        tuple(map(str, path)) if isinstance(path, list) else (),
        str(row.get("value") or ""),
        str(row.get("reason") or ""),
        "warning" if row.get("severity") == "warning" else "error",
    )


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
