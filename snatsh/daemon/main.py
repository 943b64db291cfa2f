# SPDX-License-Identifier: Apache-2.0
"""snatd: command line, start and stop, and one clear line for every reason not to start."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from snatsh import __version__
from snatsh.model.errors import SnatshError

if TYPE_CHECKING:
    from snatsh.daemon.listen import Listener
    from snatsh.datapath.gateway import Datapath
    from snatsh.engine.config.history import Store
    from snatsh.engine.storage.locks import FolderLock, NamespaceLock
    from snatsh.model.document.document import Document

log = logging.getLogger("snatd")

DEFAULT_SOCKET = Path("/run/snatsh/snatd.sock")
DEFAULT_STATE = Path("/var/lib/snatsh")
DEFAULT_PINS = Path("/sys/fs/bpf/snatsh")
MAX_FLOWS = (1024, 16_777_216)


@dataclass(frozen=True, slots=True)
class Options:
    socket: Path
    state: Path
    pins: Path
    max_flows: int | None
    profile: Path | None
    hook_user: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `snatd`."""
    given = _parser().parse_args(arguments)
    options = Options(given.socket, given.state, given.pins, given.max_flows, given.profile, given.hook_user)
    # Numeric libraries start a thread per CPU, which nothing here uses and which would keep its capabilities.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(format="snatd: %(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    from snatsh.daemon.access.log_limit import limit_log
    from snatsh.daemon.messages import MESSAGES

    logging.getLogger().addHandler(MESSAGES)
    limit_log()
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    try:
        if given.check:
            from snatsh.daemon.check import check

            return 0 if check(options.state, options.pins) else 1
        if given.remove:
            return _remove(options)
        if given.begin_anew:
            return _begin_anew(options)
        return _serve(options)
    except SnatshError as error:
        for line in str(error).splitlines():
            print(f"snatd: {line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="snatd", description="The daemon of a snatsh source NAT gateway.")
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        default=DEFAULT_SOCKET,
        help="socket that consoles connect to (%(default)s)",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        default=DEFAULT_STATE,
        help="state folder, with the history (%(default)s)",
    )
    parser.add_argument(
        "--pins",
        type=Path,
        metavar="DIR",
        default=DEFAULT_PINS,
        help="folder on a BPF file system (%(default)s)",
    )
    parser.add_argument(
        "--max-flows",
        type=_flows,
        metavar="N",
        help="size of the flow table; overrides `limits flows` of the configuration",
    )
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        help="profile, in any form, to commit at the first start, without a history",
    )
    parser.add_argument(
        "--hook-user",
        metavar="USER",
        default="nobody",
        help="user that the event hook runs as (%(default)s)",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check", action="store_true", help="check whether this host can run snatd, and change nothing"
    )
    what.add_argument(
        "--remove", action="store_true", help="detach and unpin the datapath, which ends all flows"
    )
    what.add_argument(
        "--begin-anew",
        action="store_true",
        help="let the next start run what its state folder has, in place of the configuration that runs",
    )
    parser.add_argument("--version", action="version", version=f"snatd {__version__}")
    return parser


def _flows(text: str) -> int:
    low, high = MAX_FLOWS
    if not text.isdigit() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from {low} to {high}")
    return int(text)


def _serve(options: Options) -> int:
    from snatsh.daemon import hook_launcher, privileges
    from snatsh.daemon.listen import Listener
    from snatsh.datapath.loading.other_namespaces import require_unused
    from snatsh.engine.config.history import Store
    from snatsh.engine.config.running_commit import require_history
    from snatsh.engine.storage.locks import NamespaceLock

    privileges.require()
    with ExitStack() as held:
        store = Store(options.state)
        held.callback(store.close)
        profile = _first_profile(options.profile, store)
        held.callback(_lock_pins(options.pins).release)
        listener = Listener(options.socket)
        held.callback(listener.close)
        namespace = NamespaceLock()
        held.callback(namespace.release)
        require_unused(options.pins)
        require_history(store, options.pins)
        datapath = _open_datapath(options.pins, options.max_flows or _capacity(store, profile))
        held.callback(_leave, datapath)
        launcher = hook_launcher.start(options.hook_user)
        held.callback(launcher.close)
        # Before any thread is started: a thread keeps the capabilities it starts with.
        privileges.drop()
        asyncio.run(_run(datapath, store, listener, namespace, launcher, profile))
    return 0


def _open_datapath(pins: Path, max_flows: int) -> Datapath:
    from snatsh.datapath.gateway import Datapath
    from snatsh.datapath.loading.loader import other_layouts

    datapath = Datapath.open(pins, max_flows=max_flows)
    log.info("datapath %s at %s", "adopted" if datapath.adopted else "loaded", pins)
    for folder in other_layouts(pins):
        log.warning("flows in %s cannot be taken over from that version of snatsh and start again", folder)
    return datapath


def _capacity(store: Store, profile: Document | None) -> int:
    """Return the flow limit of the configuration that will run."""
    from snatsh.model.document.document import to_profile
    from snatsh.model.schema.profile import Limits

    for number in range(len(store.entries())):
        with suppress(SnatshError):
            return to_profile(store.document(number)).limits.flows
    return to_profile(profile).limits.flows if profile else Limits().flows


def _leave(datapath: Datapath) -> None:
    """Leave the datapath running; remove it if it never ran a configuration."""
    if datapath.is_unused and not datapath.attached():
        datapath.remove()
        _remove_folder(datapath.pins)
    else:
        datapath.close()


def _lock_pins(pins: Path) -> FolderLock:
    """Lock the pins folder against a second snatd with another state folder."""
    from snatsh.datapath.loading.loader import check_bpffs
    from snatsh.engine.storage.locks import FolderLock

    check_bpffs(pins)
    return FolderLock(pins, "pins folder")


def _first_profile(path: Path | None, store: Store) -> Document | None:
    if path is None:
        return None
    if store.entries() or store.damaged:
        log.info("%s is ignored: there is a history already", path)
        return None
    from snatsh.engine.box.inspection import survey
    from snatsh.engine.config.commit import examine

    document = _read_profile(path)
    examine(document, survey())
    return document


def _read_profile(path: Path) -> Document:
    from snatsh.model.errors import FormError
    from snatsh.model.forms import any_form

    try:
        return any_form.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FormError(f"{path}: not UTF-8 text") from None
    except FormError as error:
        raise FormError(f"{path}: {error}") from None


async def _run(
    datapath: Datapath,
    store: Store,
    listener: Listener,
    namespace: NamespaceLock,
    launcher: socket.socket,
    profile: Document | None,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    from snatsh.daemon.access.serve import Server
    from snatsh.daemon.app import build
    from snatsh.daemon.audit import Audit
    from snatsh.daemon.journal import Journal
    from snatsh.daemon.stopping import stop_on_signals
    from snatsh.engine.engine import Engine

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    stop_on_signals(stop)
    if namespace.held:
        loop.add_reader(namespace.fileno(), namespace.answer)
    engine = Engine(datapath, store, launcher)
    try:
        await engine.start(profile)
        audit = Audit(
            store.folder / "audit.log", in_background=partial(loop.run_in_executor, None), journal=Journal()
        )
        server = Server(build(engine, audit), listener.socket)
        await server.start()
        log.info("ready at %s", listener.path)
        await stop.wait()
        await server.close()
    finally:
        await engine.close()
    log.info("stopped; the datapath keeps running")


def _remove(options: Options) -> int:
    from snatsh.datapath.gateway import remove
    from snatsh.datapath.loading import other_namespaces, pinned
    from snatsh.datapath.loading.loader import program_pins

    with _sole(options):
        other_namespaces.require_own(options.pins)
        there = bool(program_pins(options.pins) or pinned.look(options.pins).hooks)
        remove(options.pins)
        _remove_folder(options.pins)
    if there:
        log.info("datapath detached and unpinned; all flows ended")
    else:
        log.info("nothing of snatsh was attached in this network namespace or pinned in %s", options.pins)
    return 0


def _begin_anew(options: Options) -> int:
    from snatsh.engine.config.running_commit import begin_anew

    with _sole(options):
        runs = begin_anew(options.pins)
        if not runs:
            _remove_folder(options.pins)
    if runs:
        log.info("the next start runs what its state folder has; until then the datapath goes on as it is")
    else:
        log.info("nothing runs here: the next start needs no permission to begin anew")
    return 0


@contextmanager
def _sole(options: Options) -> Iterator[None]:
    """Be the only snatd of the network namespace and the pins folder."""
    from snatsh.daemon import privileges
    from snatsh.engine.storage.locks import NamespaceLock

    privileges.require()
    with ExitStack() as held:
        held.callback(NamespaceLock().release)
        held.callback(_lock_pins(options.pins).release)
        yield


def _remove_folder(pins: Path) -> None:
    from snatsh.datapath.loading import commit_mark, namespace_mark

    commit_mark.clear(pins)
    namespace_mark.clear(pins)
    with suppress(OSError):
        pins.rmdir()


if __name__ == "__main__":
    sys.exit(main())
