# SPDX-License-Identifier: Apache-2.0
"""Problems of a configuration in the layout of Junos."""

from __future__ import annotations

from collections.abc import Sequence

from snatsh.model.errors import Problem


def problem_lines(problems: Sequence[Problem]) -> str:
    """Render each problem as path, value and reason, on three lines."""
    return "".join(map(_problem, problems))


def _problem(problem: Problem) -> str:
    *above, last = problem.path or ("",)
    what = " ".join(filter(None, (last, problem.value)))
    label = "warning: " if problem.severity == "warning" else ""
    if problem.line:
        label += f"line {problem.line}: "
    head = f"[edit{''.join(f' {word}' for word in above)}]\n"
    return head + (f"  '{what}'\n" if what else "") + f"    {label}{problem.reason}\n"
