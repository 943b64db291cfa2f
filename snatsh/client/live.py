# SPDX-License-Identifier: Apache-2.0
"""What live consoles show: a screenful at a time, with rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from snatsh.api.flows import Ended, Flow, FlowAnswer, FlowKey, FlowPage, GroupPage
from snatsh.api.overview import Overview
from snatsh.api.pools import LivePool, LivePoolList
from snatsh.api.rules import LiveRule, LiveRuleList
from snatsh.api.subscribers import SubscriberPage
from snatsh.client.transport import Transport

Query = Mapping[str, str | int]


class LiveCalls(Transport):
    """Queries: text, sort, turned, offset, limit, and the filters of flows."""

    def live_overview(self) -> Overview:
        return self.get("/v1/live/overview", Overview)

    def live_flows(self, query: Query) -> FlowPage:
        return self.get("/v1/live/flows", FlowPage, query)

    def live_groups(self, by: str, query: Query) -> GroupPage:
        return self.get("/v1/live/groups", GroupPage, {"by": by, **query})

    def live_flow(self, key: FlowKey) -> Flow | None:
        """The flow as it is now; None when it has ended."""
        return self.get("/v1/live/flow", FlowAnswer, key.query()).flow

    def live_pools(self) -> list[LivePool]:
        return self.get("/v1/live/pools", LivePoolList).pools

    def live_rules(self) -> list[LiveRule]:
        return self.get("/v1/live/rules", LiveRuleList).rules

    def live_subscribers(self, query: Query) -> SubscriberPage:
        return self.get("/v1/live/subscribers", SubscriberPage, query)

    def end_these(self, keys: Sequence[FlowKey]) -> int:
        """End exactly these flows; how many there still were."""
        return self.ask("POST", "/v1/live/flows/end", Ended, {"flows": list(keys)}).ended
