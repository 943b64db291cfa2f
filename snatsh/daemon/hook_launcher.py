# SPDX-License-Identifier: Apache-2.0
"""Runs the event hook as an unprivileged user, in a process of its own.

snatd drops the capability to change its user after the start, so this process is started before. It keeps the
capabilities to become that user and to end its processes, and ends with snatd. Requests and answers are
datagrams of a socket, its standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
from typing import Any

from snatsh.daemon import privileges
from snatsh.datapath.capabilities import Capability
from snatsh.engine.storage.trusted_program import NotTrusted, open_program
from snatsh.interpreter import run_module

DEFAULT_USER = "nobody"

_KEPT = (Capability.SETUID, Capability.SETGID, Capability.KILL)
_MOST_BYTES = 65_536


def start(user: str) -> socket.socket:
    """Start the launcher. Return the socket to it; it ends when the socket is closed."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        subprocess.Popen(run_module(__name__, user), stdin=its.fileno(), start_new_session=True)
    ours.setblocking(False)
    return ours


def main() -> int:
    """Run one program after the other, until snatd is gone."""
    channel = socket.socket(fileno=os.dup(0))
    if os.geteuid() == 0:
        privileges.drop(_KEPT)
    while request := channel.recv(_MOST_BYTES):
        wanted = json.loads(request)
        with contextlib.suppress(BrokenPipeError):
            channel.send(_run(sys.argv[1], channel, wanted).encode())
    return 0


def _run(user: str, channel: socket.socket, wanted: dict[str, Any]) -> str:
    """Run the program of a request within its time. Return what failed, or `ok`."""
    try:
        descriptor = open_program(wanted["command"], os.geteuid())
    except NotTrusted as error:
        return f"refused: {error}"
    try:
        process = subprocess.Popen(
            [wanted["command"], *wanted["arguments"]],
            executable=f"/proc/self/fd/{descriptor}",
            pass_fds=[descriptor],  # a script's interpreter opens it again
            stdin=subprocess.DEVNULL,
            stdout=2,
            cwd="/",
            env=wanted["environment"],
            start_new_session=True,  # so that the time limit also ends its children
            **_identity(user),
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"cannot be run as {user}: {getattr(error, 'strerror', None) or error}"
    except KeyError:
        return f"cannot be run: there is no user {user}"
    finally:
        os.close(descriptor)
    try:
        return _outcome(process, channel, wanted["seconds"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _identity(user: str) -> dict[str, Any]:
    """What `Popen` needs to become a user. An snatd that is not root's runs the program as its own user."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _outcome(process: subprocess.Popen[bytes], channel: socket.socket, seconds: int) -> str:
    """Wait for the end of the program, of its time, or of snatd."""
    with os.fdopen(os.pidfd_open(process.pid), "rb", buffering=0) as ended:
        waiting = select.poll()
        waiting.register(ended, select.POLLIN)
        waiting.register(channel, select.POLLRDHUP)
        events = waiting.poll(seconds * 1000)
        if not events:
            return f"killed after {seconds} s"
        if ended.fileno() not in dict(events):
            return "killed: snatd has ended"
    status = process.wait()
    return f"exit status {status}" if status else "ok"


if __name__ == "__main__":
    sys.exit(main())
