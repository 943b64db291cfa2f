# SPDX-License-Identifier: Apache-2.0
"""Configuration: what runs, the candidates, and names for completion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from snatsh import __version__
from snatsh.daemon.app import API, Body, Route, body, engine, note, peer
from snatsh.daemon.errors import NotFound
from snatsh.daemon.roles import Role
from snatsh.engine.config.candidate import Candidate, Statement
from snatsh.model.document.document import Document


class StatementBody(Body):
    verb: Literal["set", "delete"]
    path: list[str]


class StatementsBody(Body):
    statements: list[StatementBody]


class DocumentBody(Body):
    document: dict[str, Any]


class RollbackBody(Body):
    number: Annotated[int, Field(ge=0)] | Literal["rescue"]


async def version(request: web.Request) -> web.Response:
    asking = peer(request)
    login = engine(request).running.profile.system.login
    return web.json_response(
        {
            "version": __version__,
            "api": API,
            "host_name": engine(request).host_name,
            "user": asking.user,
            "role": asking.role.label,
            "announcement": login.announcement,
            "idle_timeout": login.idle_timeout,
        }
    )


async def running(request: web.Request) -> web.Response:
    return web.json_response({"document": engine(request).running.document, "number": 0})


async def candidate(request: web.Request) -> web.Response:
    edited = candidate_of(request)
    return web.json_response({"document": edited.document, "changed": edited.changed})


async def names(request: web.Request) -> web.Response:
    """For completion: what stands below a path of the candidate. Keys of a list, values of a leaf."""
    held: Any = candidate_of(request).document
    for word in request.query.getall("word", []):
        held = held.get(word) if isinstance(held, dict) else None
    if isinstance(held, dict):
        found = sorted(held, key=lambda name: (int(name) if name.isdigit() else 0, name))
    else:
        found = [str(value) for value in (held if isinstance(held, list) else [held]) if value is not None]
    return web.json_response({"values": found})


def candidate_of(request: web.Request) -> Candidate:
    """The candidate of the console that asks: its private one, or the one all share."""
    return engine(request).sessions.candidate(peer(request).pid)


async def edit(request: web.Request) -> web.Response:
    given = await body(request, StatementsBody)
    statements = [Statement(entry.verb, tuple(entry.path)) for entry in given.statements]
    note(request, "\n".join(" ".join((entry.verb, *entry.path)) for entry in statements))
    return await _edit(request, lambda edited: edited.edit(statements))


async def replace(request: web.Request) -> web.Response:
    document = (await body(request, DocumentBody)).document
    note(request, "load override")
    return await _edit(request, lambda edited: edited.load(document))


async def merge(request: web.Request) -> web.Response:
    document = (await body(request, DocumentBody)).document
    note(request, "load merge")
    return await _edit(request, lambda edited: edited.merge(document))


async def update(request: web.Request) -> web.Response:
    note(request, "update")
    return web.json_response({"kept": await engine(request).update(peer(request).pid)})


async def rollback(request: web.Request) -> web.Response:
    number = (await body(request, RollbackBody)).number
    note(request, f"rollback {number}")
    running_engine = engine(request)
    if number == "rescue":
        document = await running_engine.rescue_document()
    else:
        document = await running_engine.history_document(number)

    def take(edited: Candidate) -> None:
        if number == 0:
            edited.discard()
        else:
            edited.replace(document)

    return await _edit(request, take)


async def _edit(request: web.Request, change: Callable[[Candidate], None]) -> web.Response:
    changed = await engine(request).edit(change, peer(request).pid)
    return web.json_response({"changed": changed})


async def completions(request: web.Request) -> web.Response:
    """Names that exist: interfaces on the box, the rest in what runs and in what is being edited."""
    kind = request.match_info["kind"]
    both = (engine(request).running.document, candidate_of(request).document)
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


ROUTES = (
    Route("GET", "/v1/version", Role.VIEW, version),
    Route("GET", "/v1/configuration", Role.VIEW, running),
    Route("GET", "/v1/candidate", Role.VIEW, candidate),
    Route("GET", "/v1/candidate/names", Role.VIEW, names),
    Route("PUT", "/v1/candidate", Role.ADMIN, replace),
    Route("POST", "/v1/candidate/statements", Role.ADMIN, edit),
    Route("POST", "/v1/candidate/merge", Role.ADMIN, merge),
    Route("POST", "/v1/candidate/rollback", Role.ADMIN, rollback),
    Route("POST", "/v1/candidate/update", Role.ADMIN, update),
    Route("GET", "/v1/completions/{kind}", Role.VIEW, completions),
)
