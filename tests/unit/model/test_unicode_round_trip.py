# SPDX-License-Identifier: Apache-2.0
"""What a form writes it reads again: every character that the schema admits, every place that holds text."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snatsh.daemon.api import Body, decode
from snatsh.model.document.document import Document, validate_shape
from snatsh.model.forms import any_form, curly_form, json_form, set_form, yaml_form
from snatsh.model.limits import BYTE_ORDER_MARK
from snatsh.model.schema.tree import Node, root
from snatsh.shell.core import config_files
from snatsh.shell.core.answers import Configuration
from snatsh.shell.render.text import json_text, printable
from tests.unit.model.strategies import documents, marked

FORMS = {"yaml": yaml_form, "json": json_form, "set": set_form, "curly": curly_form}
few = settings(max_examples=30)
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)

_TEXTS = [
    *(
        "\U0001f600",
        "\U0001f469\u200d\U0001f4bb",
        "\ufeff",
        "a\ufeffb",
        "\ufffe\uffff",
        "\U0010ffff",
        "\ue000",
    ),
    *("\u200f\u202ex\u2066", "\\u202e", "\\\\u200f", "\u00a0", "\u3000 \u00ad", "  two  blanks  ", " "),
]


def admitted(node: Node) -> st.SearchStrategy[str]:
    """Every text that a place admits."""
    kind = node.value or node.key
    assert kind is not None

    def fits(text: str) -> bool:
        try:
            return bool(text) and kind.parse(text) == text
        except ValueError:
            return False

    drawn = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=15)
    return (drawn | st.sampled_from(_TEXTS)).filter(fits)


def texts() -> st.SearchStrategy[Document]:
    """Documents with text in every place that takes free text, and as a name."""
    places = root().children
    interfaces = st.dictionaries(
        admitted(places["interfaces"]),
        st.fixed_dictionaries({"description": admitted(places["interfaces"].children["description"])}),
        min_size=1, max_size=2,
    )  # fmt: skip
    return st.fixed_dictionaries(
        {
            "interfaces": interfaces,
            "rules": st.just({"10": {"action": "drop"}}),
            "system": st.fixed_dictionaries(
                {"login": st.fixed_dictionaries({"announcement": admitted(_announcement())})}
            ),
            "marks": st.fixed_dictionaries(
                {"rules 10": st.fixed_dictionaries({"comment": admitted(_comment())})}
            ),
        }
    ).map(validate_shape)


def _announcement() -> Node:
    return root().children["system"].children["login"].children["announcement"]


def _comment() -> Node:
    return root().children["marks"].children["comment"]


@every_form
@few
@given(document=texts())
def test_text_is_read_as_it_was_written(form: ModuleType, document: Document) -> None:
    text = form.render(document)
    assert form.parse(text) == document
    assert any_form.parse(text.encode().decode()) == document


@every_form
@few
@given(document=texts())
def test_a_byte_order_mark_is_no_part_of_the_text(form: ModuleType, document: Document) -> None:
    text = BYTE_ORDER_MARK + form.render(document)
    assert form.parse(text) == any_form.parse(text) == document


@every_form
@few
@given(data=st.data())
def test_any_document_is_recognised_by_its_form(form: ModuleType, data: st.DataObject) -> None:
    document = data.draw(documents().flatmap(marked))
    assert any_form.parse(form.render(document)) == document


@pytest.mark.parametrize("suffix", ["", ".yaml", ".json", ".set"])
@few
@given(document=texts())
def test_saved_files_are_loaded(suffix: str, document: Document) -> None:
    assert any_form.parse(config_files.render(f"name{suffix}", document)) == document


@pytest.mark.parametrize("form", ["set", "yaml", "json"])
@few
@given(document=texts())
def test_output_of_the_terminal_is_loaded(form: str, document: Document) -> None:
    answer = Configuration(document)
    shown = printable(json_text(answer.data) if form == "json" else answer.display(form))
    assert any_form.parse(shown) == document


@few
@given(texts())
def test_json_of_one_value_is_loaded_below_its_container(document: Document) -> None:
    for name in document["interfaces"]:
        shown = json_text(Configuration(document, ("interfaces", name, "description")).data)
        loaded = any_form.parse(shown, ("interfaces", name))
        assert loaded["interfaces"][name] == document["interfaces"][name]


class Load(Body):
    document: dict[str, Any]


def test_the_api_refuses_a_name_given_twice() -> None:
    with pytest.raises(ValueError, match='has the key "a" twice'):
        decode(b'{"document": {"pools": {"a": {}, "a": {}}}}', Load)


@pytest.mark.parametrize("mark", ["", BYTE_ORDER_MARK])
@few
@given(document=texts())
def test_the_api_takes_the_json_form(mark: str, document: Document) -> None:
    body = f'{mark}{{"document": {json_form.render(document)}}}'
    assert validate_shape(decode(body.encode(), Load).document) == document
