# SPDX-License-Identifier: Apache-2.0
"""Configuration: running and candidate, edits, and completions of names."""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from snatsh.api.configuration import CandidateConfiguration, Edited, RunningConfiguration, Updated, Values
from snatsh.daemon.api import Body, answer, body, engine, note, peer
from snatsh.daemon.errors import NotFound
from snatsh.engine.config.candidate import EditStatement
from snatsh.engine.host.facts import interface_names
from snatsh.model.document.types import Document


class StatementBody(Body):
    verb: Literal["set", "delete"]
    path: list[str]


class StatementsBody(Body):
    statements: list[StatementBody]


class DocumentBody(Body):
    document: Document


class RollbackBody(Body):
    number: Annotated[int, Field(ge=0)] | Literal["rescue"]


async def running(request: web.Request) -> web.Response:
    return answer(RunningConfiguration(engine(request).running.document, 0))


async def candidate(request: web.Request) -> web.Response:
    edited = engine(request).editing.candidate(peer(request).pid)
    return answer(CandidateConfiguration(edited.document, edited.changed))


async def names(request: web.Request) -> web.Response:
    """Complete what is below a path of the candidate: keys of a list, values of a leaf."""
    path = request.query.getall("word", [])
    return answer(Values(engine(request).editing.values(peer(request).pid, path)))


async def edit(request: web.Request) -> web.Response:
    given = await body(request, StatementsBody)
    statements = [EditStatement(entry.verb, tuple(entry.path)) for entry in given.statements]
    note(request, "\n".join(" ".join((entry.verb, *entry.path)) for entry in statements))
    changed = await engine(request).editing.edit(statements, peer(request).pid)
    return answer(Edited(changed))


async def replace(request: web.Request) -> web.Response:
    document = (await body(request, DocumentBody)).document
    note(request, "load override")
    return answer(Edited(await engine(request).editing.load(document, peer(request).pid)))


async def merge(request: web.Request) -> web.Response:
    document = (await body(request, DocumentBody)).document
    note(request, "load merge")
    return answer(Edited(await engine(request).editing.merge(document, peer(request).pid)))


async def update(request: web.Request) -> web.Response:
    note(request, "update")
    return answer(Updated(await engine(request).editing.update(peer(request).pid)))


async def rollback(request: web.Request) -> web.Response:
    number = (await body(request, RollbackBody)).number
    note(request, f"rollback {number}")
    return answer(Edited(await engine(request).editing.roll_back(number, peer(request).pid)))


_PARTS = {"link": "links", "pool": "pools", "rule": "rules"}


async def completions(request: web.Request) -> web.Response:
    """Complete names: interfaces of the host; links, pools and rules that are configured."""
    kind = request.match_info["kind"]
    if kind == "interface":
        return answer(Values(sorted(set(interface_names().values()) - {"lo"})))
    if kind not in _PARTS:
        raise NotFound(f"completions of {kind}: no such kind; expected interface, link, pool or rule")
    defined = engine(request).editing.defined(peer(request).pid, _PARTS[kind])
    return answer(Values(sorted(defined, key=int if kind == "rule" else None)))
