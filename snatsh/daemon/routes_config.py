"""Configuration: running, candidate, commit, history."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from snatsh import __version__
from snatsh.daemon.app import API, Route, body, engine, note, peer
from snatsh.daemon.errors import NotFound, problem_rows
from snatsh.daemon.roles import Role
from snatsh.engine.candidate import Candidate, Statement
from snatsh.engine.views import history_rows
from snatsh.model.document import Document

_CONSOLE_AGENT = "snatsh/"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class StatementBody(_Body):
    verb: Literal["set", "delete"]
    path: list[str]


class StatementsBody(_Body):
    statements: list[StatementBody]


class DocumentBody(_Body):
    document: dict[str, Any]


class RollbackBody(_Body):
    number: Annotated[int, Field(ge=0)]


class CommitBody(_Body):
    check: bool = False
    comment: Annotated[str, Field(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None


async def version(request: web.Request) -> web.Response:
    asking = peer(request)
    return web.json_response(
        {
            "version": __version__,
            "api": API,
            "host_name": engine(request).host_name,
            "user": asking.user,
            "role": asking.role.label,
        }
    )


async def running(request: web.Request) -> web.Response:
    return web.json_response({"document": engine(request).running.document, "number": 0})


async def candidate(request: web.Request) -> web.Response:
    edited = engine(request).candidate
    return web.json_response({"document": edited.document, "changed": edited.changed})


async def edit(request: web.Request) -> web.Response:
    given = await body(request, StatementsBody)
    statements = [Statement(entry.verb, tuple(entry.path)) for entry in given.statements]
    note(request, "\n".join(" ".join((entry.verb, *entry.path)) for entry in statements))
    return _changed(await engine(request).edit(lambda edited: edited.edit(statements)))


async def replace(request: web.Request) -> web.Response:
    document = (await body(request, DocumentBody)).document
    note(request, "load override")
    return _changed(await engine(request).edit(lambda edited: edited.replace(document)))


async def merge(request: web.Request) -> web.Response:
    document = (await body(request, DocumentBody)).document
    note(request, "load merge")
    return _changed(await engine(request).edit(lambda edited: edited.merge(document)))


async def rollback(request: web.Request) -> web.Response:
    number = (await body(request, RollbackBody)).number
    note(request, f"rollback {number}")
    document = await engine(request).history_document(number)

    def take(edited: Candidate) -> None:
        if number == 0:
            edited.discard()
        else:
            edited.replace(document)

    return _changed(await engine(request).edit(take))


async def commit(request: web.Request) -> web.Response:
    wanted = await body(request, CommitBody)
    note(request, ("commit check " if wanted.check else "commit ") + (wanted.comment or ""))
    agent = request.headers.get("User-Agent", "")
    done = await engine(request).commit(
        check=wanted.check,
        user=peer(request).user,
        method="cli" if agent.startswith(_CONSOLE_AGENT) else "api",
        comment=wanted.comment or None,
    )
    return web.json_response(
        {
            "number": 0,
            "warnings": problem_rows(done.warnings),
            "ended_flows": done.ended_flows,
            "milliseconds": round(done.milliseconds, 3),
        }
    )


async def history(request: web.Request) -> web.Response:
    return web.json_response({"entries": history_rows(engine(request).store.entries())})


async def committed(request: web.Request) -> web.Response:
    text = request.match_info["number"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(f"history {text}: no such entry; expected a number")
    number = int(text)
    running_engine = engine(request)
    document = await running_engine.history_document(number)
    entries = running_engine.store.entries()
    return web.json_response({**history_rows(entries)[number], "document": document})


async def completions(request: web.Request) -> web.Response:
    """Names that exist: interfaces on the box, the rest in what runs and in what is being edited."""
    kind = request.match_info["kind"]
    both = (engine(request).running.document, engine(request).candidate.document)
    if kind == "interface":
        values = sorted(set((await engine(request).facts()).interfaces) - {"lo"})
    elif kind == "rule":
        values = sorted(_names(both, "rules"), key=int)
    elif kind in ("link", "pool"):
        values = sorted(_names(both, f"{kind}s"))
    else:
        raise NotFound(f"completions of {kind}: no such kind; expected interface, link, pool or rule")
    return web.json_response({"values": values})


def _names(documents: tuple[Document, ...], part: str) -> set[str]:
    return {name for document in documents for name in document.get(part, {})}


def _changed(changed: bool) -> web.Response:
    return web.json_response({"changed": changed})


ROUTES = (
    Route("GET", "/v1/version", Role.VIEW, version),
    Route("GET", "/v1/configuration", Role.VIEW, running),
    Route("GET", "/v1/candidate", Role.VIEW, candidate),
    Route("PUT", "/v1/candidate", Role.ADMIN, replace),
    Route("POST", "/v1/candidate/statements", Role.ADMIN, edit),
    Route("POST", "/v1/candidate/merge", Role.ADMIN, merge),
    Route("POST", "/v1/candidate/rollback", Role.ADMIN, rollback),
    Route("POST", "/v1/commit", Role.ADMIN, commit),
    Route("GET", "/v1/history", Role.VIEW, history),
    Route("GET", "/v1/history/{number}", Role.VIEW, committed),
    Route("GET", "/v1/completions/{kind}", Role.VIEW, completions),
)
