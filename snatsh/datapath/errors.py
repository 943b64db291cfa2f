# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between user space and the kernel, with what to do about it."""

from __future__ import annotations

from snatsh.model.errors import SnatshError

_SHOWN_LINES = 12


class DatapathError(SnatshError):
    """The datapath could not do what was asked; what ran before still runs."""


class LoadError(DatapathError):
    """The programs can't be compiled, loaded or found again."""


class CompileError(LoadError):
    """The source does not compile; `output` is everything the compiler printed."""

    def __init__(self, output: str) -> None:
        shown = "\n".join(output.splitlines()[:_SHOWN_LINES])
        super().__init__(f"the datapath does not compile: {shown or 'BCC gave no reason'}")
        self.output = output


class AttachError(DatapathError):
    """A program can't be attached to an interface; `interface` names it."""

    def __init__(self, interface: str, reason: str) -> None:
        super().__init__(f"interface {interface}: {reason}")
        self.interface = interface


class StageError(DatapathError):
    """A rule set does not fit into the config maps, or the kernel refused it."""
