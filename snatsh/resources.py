# SPDX-License-Identifier: Apache-2.0
"""Where the data files lie: the datapath's C sources (`bpf`) and the shipped profiles (`profiles`)."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal


def folder(name: Literal["bpf", "profiles"]) -> Traversable:
    """A folder of data files: inside the package as a wheel installs it, beside it in a checkout."""
    installed = resources.files("snatsh") / name
    return installed if installed.is_dir() else Path(__file__).parents[1] / name
