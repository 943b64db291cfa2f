# SPDX-License-Identifier: Apache-2.0
"""The shipped profiles: documented, canonical and valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from snatsh.model.document.document import to_profile
from snatsh.model.facts import Facts, InterfaceFacts
from snatsh.model.forms import curly_form, set_form, yaml_form
from snatsh.model.validate.profile_validator import validate
from snatsh.model.values import InterfaceAddress

FOLDER = Path(__file__).parents[3] / "profiles"
SHIPPED = sorted(FOLDER.glob("*.yaml"))

BOXES = {
    "single-isp": {"eth0": "192.168.1.1/24", "eth1": "198.51.100.2/24"},
    "multi-isp": {"eth0": "192.168.40.1/24", "eth1": "1.1.2.2/24", "eth2": "1.1.3.2/24"},
    "failover": {"eth0": "192.168.40.1/24", "eth1": "1.1.2.2/24", "eth2": "1.1.3.2/24"},
    "cgnat": {"eth0": "100.64.0.1/10", "eth1": "198.51.100.2/30"},
}


def test_all_shipped_profiles_exist() -> None:
    assert [path.stem for path in SHIPPED] == sorted(BOXES)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_profiles_are_valid(path: Path) -> None:
    text = path.read_text()
    document = yaml_form.parse(text)
    comment, body = text[: text.index("system:")], text[text.index("system:") :]
    assert len(comment.splitlines()) >= 5
    assert all(line.startswith("#") for line in comment.splitlines())
    assert body == yaml_form.render(document)
    assert set_form.parse(set_form.render(document)) == document
    assert curly_form.parse(curly_form.render(document)) == document
    own = {
        name: InterfaceFacts(index, b"\x02\0\0\0\0\1", 1500, True, (InterfaceAddress(address),))
        for index, (name, address) in enumerate(BOXES[path.stem].items(), 1)
    }
    assert validate(to_profile(document), Facts(own)) == []
