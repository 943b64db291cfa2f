# SPDX-License-Identifier: Apache-2.0
"""Read filters and listings from the words of a query. Names of pools and links are those that run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from snatsh.engine.config.commit import Plan
from snatsh.engine.errors import QueryError
from snatsh.engine.flows.listing import ListingQuery
from snatsh.engine.flows.query import FlowFilter

_TURNED = {"yes": True, "no": False}


def parse_filter(query: Mapping[str, str], plan: Plan) -> FlowFilter:
    """Read a filter. QueryError names the word that is wrong."""
    named = {"pool", "link"}
    wanted = FlowFilter.parse({name: text for name, text in query.items() if name not in named})
    if "pool" in query:
        wanted = replace(wanted, pool=_pool_runs(query["pool"], plan))
    if "link" in query:
        wanted = replace(wanted, link=_link_index(query["link"], plan))
    return wanted


def parse_listing(query: Mapping[str, str], plan: Plan) -> ListingQuery:
    """Read what a page of the live view shows, and its filter."""
    words = dict(query)
    offset, limit = (parse_number(name, words.pop(name, default)) for name, default in _WINDOW)
    turned = parse_turned(words.pop("turned", "no"))
    text, sort = words.pop("text", ""), words.pop("sort", "rate")
    return ListingQuery(parse_filter(words, plan), text, sort, turned, offset, limit)


def parse_turned(text: str) -> bool:
    """Read whether the order is reversed."""
    if text not in _TURNED:
        raise QueryError(f"turned: {text}: expected yes or no")
    return _TURNED[text]


_WINDOW = (("offset", "0"), ("limit", "50"))


def parse_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise QueryError(f"{name}: {text}: expected a number")
    return int(text)


def _pool_runs(name: str, plan: Plan) -> tuple[tuple[int, int], ...]:
    for image in plan.image.pools:
        if image.name == name:
            return tuple((int(run.first), int(run.last)) for run in image.runs)
    raise QueryError(f"pool: {name}: no such pool runs")


def _link_index(name: str, plan: Plan) -> int:
    link = plan.profile.links.get(name)
    if link is None:
        raise QueryError(f"link: {name}: no such link runs")
    known = plan.facts.interfaces.get(link.interface)
    return known.index if known else 0
