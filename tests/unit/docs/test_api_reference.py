# SPDX-License-Identifier: Apache-2.0
"""The page of the API lists every route with the role it needs."""

from __future__ import annotations

import re

from snatsh.daemon.route_table import ROUTES
from tests.unit.docs.markdown import ROOT, Page

PAGE = Page(ROOT / "docs" / "api.md")
LINE = re.compile(r"^\| `(?P<route>[A-Z]+ /v1/\S+)` \| (?P<role>\w+) \|", re.MULTILINE)


def test_documented_routes_and_roles_match_the_daemon() -> None:
    listed = {line["route"]: line["role"] for line in LINE.finditer(PAGE.text)}
    served = {f"{route.method} {re.sub(r':[^}]*', '', route.path)}": route.role.label for route in ROUTES}
    assert listed == served
