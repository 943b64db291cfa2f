# SPDX-License-Identifier: Apache-2.0
"""Ten thousand rules: nothing here may take time by the square of their number.

The bounds are many times what it takes, and far below what a quadratic loop would.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import ModuleType

import pytest

from snatsh.model.changes.diff import apply, diff, render_curly
from snatsh.model.document.document import Document, set_, to_profile, validate_shape
from snatsh.model.forms import curly_form, json_form, set_form, yaml_form
from snatsh.model.validate.profile_validator import validate
from tests.unit.model.strategies import FACTS

RULES = 10_000
SECONDS = 20


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    begin = time.process_time()
    yield
    assert time.process_time() - begin < SECONDS


@pytest.fixture(scope="module")
def large() -> Document:
    return {
        "interfaces": {"eth0": {"role": "inside"}, "eth1": {"role": "outside"}},
        "pools": {
            f"p{n}": {"address": [f"9.{n >> 8}.{n & 255}.{i}" for i in range(0, 20, 2)], "announce": "none"}
            for n in range(1000)
        },
        "rules": {
            str(n): {
                "source": f"10.{n >> 8}.{n & 255}.0/24",
                "protocol": "tcp",
                "out-interface": "eth1",
                "next-hop": "1.1.2.1",
                "pool": f"p{n % 1000}",
                "redirect": f"1.1.2.{n % 200 + 10}",
            }
            for n in range(1, RULES + 1)
        },
    }


@pytest.mark.parametrize(
    "form", [yaml_form, set_form, curly_form, json_form], ids=["yaml", "set", "curly", "json"]
)
def test_forms_of_ten_thousand_rules_are_fast(form: ModuleType, large: Document) -> None:
    assert form.parse(form.render(large)) == large


def test_validation_of_ten_thousand_rules_is_fast(large: Document) -> None:
    assert validate_shape(large) == large
    assert validate(to_profile(large), FACTS) == []


def test_diff_of_ten_thousand_rules_is_fast(large: Document) -> None:
    rules = {number: rule | {"pool": "p1"} for number, rule in large["rules"].items() if int(number) % 3}
    new = large | {"rules": rules}
    assert apply(large, diff(large, new)) == new
    assert render_curly(large, new)


def test_pool_with_many_statements_is_fast() -> None:
    statements = [f"set pools a address 9.{n >> 8}.{n & 255}.1\n" for n in range(10_000)]
    statements += [f"set pools a exclude 9.{n >> 8}.{n & 255}.1\n" for n in range(0, 10_000, 2)]
    document = set_form.parse("".join(statements))
    assert len(document["pools"]["a"]["address"]) == 10_000
    assert validate(to_profile(document), FACTS) == []


def test_single_statements_on_a_large_document_are_fast(large: Document) -> None:
    document = large
    for number in range(1, 1001):
        document = set_(document, ["rules", str(number), "pool", "p2"])
    assert large["rules"]["1"]["pool"] == "p1"
    assert document["rules"]["1000"]["pool"] == "p2"
