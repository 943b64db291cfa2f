# SPDX-License-Identifier: Apache-2.0
"""Findings about a configuration, as Junos lays them out."""

from __future__ import annotations

from collections.abc import Sequence

from snatsh.model.errors import Problem


def problem_lines(problems: Sequence[Problem]) -> str:
    """Where, what and why of each, on three lines."""
    return "".join(map(_problem, problems))


def _problem(problem: Problem) -> str:
    *above, last = problem.path or ("",)
    what = " ".join(filter(None, (last, problem.value)))
    label = "warning: " if problem.severity == "warning" else ""
    if problem.line:
        label += f"line {problem.line}: "
    head = f"[edit{''.join(f' {word}' for word in above)}]\n"
    return head + (f"  '{what}'\n" if what else "") + f"    {label}{problem.reason}\n"
