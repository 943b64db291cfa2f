# SPDX-License-Identifier: Apache-2.0
"""An upgrade to another layout of maps under thousands of new flows a second: none leaves untranslated."""

from __future__ import annotations

import pytest

from tests.bench.generator import Frames
from tests.chaos.load import NewFlows, gateway
from tests.e2e.test_takeover import use_other_layout
from tests.waiting import wait

RATE = 3000


@pytest.mark.parametrize("hook", ["xdp", "tc"])
def test_upgrade_sends_nothing_untranslated(hook: str, frames: Frames) -> None:
    with gateway(hook, frames, {}, {}) as snatd, NewFlows(snatd.lab, frames, RATE, clients=256):
        before, untranslated = frames.arrived()
        wait(lambda: frames.arrived()[0] > before + RATE, "flows of the old programs")
        assert snatd.stop() == 0
        use_other_layout(snatd)
        snatd.start()
        before, _ = frames.arrived()
        wait(lambda: frames.arrived()[0] > before + RATE, "flows of the new programs")
        assert frames.arrived()[1] == untranslated
        assert [path.name[:9] for path in snatd.pins.glob("*v*-*")] == ["v0badcafe"]
