# SPDX-License-Identifier: Apache-2.0
"""Whether there is a terminal at all behind a terminal's name.

Programs that drive consoles hand on the TERM of the person who runs them, but answer no question about
it. They get the plain front end; so does a terminal that is too slow for the rich one.
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
    """What was typed before a terminal that did not answer; None when it did answer.

    Every terminal emulator in use answers the question for its device attributes.
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
                    break  # a whole line has come without an answer
    except OSError:
        return ""
    finally:
        termios.tcsetattr(reading, termios.TCSADRAIN, cooked)
    return seen.decode("utf-8", "replace")
