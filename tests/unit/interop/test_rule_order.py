# SPDX-License-Identifier: Apache-2.0
"""Ordered rules by the thousand."""

from __future__ import annotations

import time

import pytest

from snatsh.interop.first_match import MAX_RULES
from snatsh.interop.importing import import_text
from snatsh.model.errors import FormError


def saved(count: int) -> str:
    """A rule for each of `count` networks, every other within the one before."""
    rules = [
        f"-A POSTROUTING -s 10.{at // 256}.{at % 256}.{0 if at % 2 else 128}/{25 if at % 2 else 26}"
        f" -o eth1 -j SNAT --to-source 1.1.2.{at % 200 + 1}"
        for at in range(count)
    ]
    return "\n".join(["*nat", *rules, "COMMIT", ""])


def test_reordering_thousands_of_rules_takes_seconds() -> None:
    begun = time.process_time()
    exempt = "*nat\n-A POSTROUTING -d 9.0.0.0/8 -j ACCEPT"
    document, report = import_text(saved(4000).replace("*nat", exempt, 1))
    assert len(document["rules"]) == 1 + 2 * 4000, "each source has its exempt destination"
    assert len(report.rows) >= 4001
    assert time.process_time() - begun < 10


def test_rule_limit_is_named_in_the_error() -> None:
    with pytest.raises(FormError, match=r"more than 10,000 here") as refused:
        import_text(saved(MAX_RULES + 1))
    assert (refused.value.line, refused.value.column) == (MAX_RULES + 2, 1)
