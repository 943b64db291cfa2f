# SPDX-License-Identifier: Apache-2.0
"""Tries requests and shell lines as the user who runs it. Takes the socket; reads and prints JSON."""

from __future__ import annotations

import http.client
import json
import socket
import sys

from snatsh.client import Client
from snatsh.shell.core.session import Session
from snatsh.shell.frontends.batch import BatchTerminal
from snatsh.shell.modes import MODES


def status(path: str, method: str, target: str) -> int:
    """The status of a request without a body, which does little where it is let in."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    try:
        connection.request(method, target)
        return connection.getresponse().status
    finally:
        connection.close()


def refused(path: str, line: str, configuring: bool) -> bool:
    """Whether a shell refuses the line for lack of a role. configuring: pretend to have entered that mode."""
    session = Session(Client(path), BatchTerminal(), MODES)
    session.configuring = configuring
    text = session.execute(line).text
    session.end()
    return "has the role" in text or "permission denied; role is" in text


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    where = sys.argv[1]
    print(
        json.dumps(
            {
                "requests": [status(where, *request) for request in asked["requests"]],
                "lines": [refused(where, line, False) for line in asked["lines"]],
                "configuring": [refused(where, line, True) for line in asked["configuring"]],
            }
        )
    )
