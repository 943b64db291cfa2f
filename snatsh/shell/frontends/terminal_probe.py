# SPDX-License-Identifier: Apache-2.0
"""Detection of programs that claim to be a terminal.

Programs that drive a CLI pass on the TERM of the user, but do not answer terminal queries. They get the plain
front end; so does a terminal too slow for the rich one.
"""

from __future__ import annotations

import os
import re
import select
import termios
import time
import tty

_QUESTION = b"\x1b[c"
_ANSWER = re.compile(rb"\x1b\[\?[0-9;]*c")
PATIENCE_SECONDS = 1.0


def typed_instead_of_answering(reading: int = 0, writing: int = 1) -> str | None:
    """Query the terminal. Returns the input received instead of a reply; None if it replied.

    All terminal emulators in use answer a query for device attributes.
    """
    cooked = termios.tcgetattr(reading)
    seen = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        tty.setraw(reading, termios.TCSADRAIN)
        os.write(writing, _QUESTION)
        while (left := deadline - time.monotonic()) > 0:
            if select.select([reading], [], [], left)[0]:
                more = os.read(reading, 4096)
                if not more:
                    break
                seen += more
                if _ANSWER.search(seen):
                    return None
                if seen.endswith((b"\r", b"\n")):
                    break  # a complete line without a reply
    except OSError:
        return ""
    finally:
        termios.tcsetattr(reading, termios.TCSADRAIN, cooked)
    return seen.decode("utf-8", "replace")
