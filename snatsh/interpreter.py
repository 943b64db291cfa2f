# SPDX-License-Identifier: Apache-2.0
"""How snatsh starts Python: isolated, so that neither the current folder nor the environment adds modules."""

from __future__ import annotations

import sys


def run_module(name: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module. The caller may be root in a folder that others write."""
    return [sys.executable, "-I", "-m", name, *arguments]
