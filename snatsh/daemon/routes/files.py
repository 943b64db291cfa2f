# SPDX-License-Identifier: Apache-2.0
"""Files that the sender of the request keeps on the gateway."""

from __future__ import annotations

import asyncio

from aiohttp import web

from snatsh.api.system import Empty, FileContent, FileList, FileRow, FileWritten
from snatsh.daemon.api import Body, answer, body, engine, note, peer
from snatsh.engine.storage.user_files import FileError, UserFolder


class FileBody(Body):
    content: str
    append: bool = False


def _folder(request: web.Request) -> UserFolder:
    return engine(request).user_files(peer(request).user)


async def entries(request: web.Request) -> web.Response:
    found = await asyncio.to_thread(_folder(request).entries)
    rows = [FileRow(one.name, one.size, one.changed.isoformat(timespec="seconds")) for one in found]
    return answer(FileList(rows))


async def read(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    content = await asyncio.to_thread(_folder(request).read, name)
    try:
        return answer(FileContent(content.decode()))
    except UnicodeDecodeError as error:
        raise FileError(f"{name}: not UTF-8 text (byte {error.start})") from None


async def write(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    given = await body(request, FileBody)
    note(request, f"{'append' if given.append else 'save'} {name}")
    folder, content = _folder(request), given.content.encode("utf-8", "backslashreplace")
    size = await asyncio.to_thread(lambda: folder.write(name, content, append=given.append))
    return answer(FileWritten(size))


async def delete(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    note(request, f"file delete {name}")
    await asyncio.to_thread(_folder(request).delete, name)
    return answer(Empty())
