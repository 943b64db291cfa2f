# SPDX-License-Identifier: Apache-2.0
"""A failure that repeats is logged once."""

from __future__ import annotations

import logging

import pytest

from snatsh.engine.failure_log import FailureLog


def test_a_repeated_failure_is_logged_once_and_again_after_a_success(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = FailureLog(logging.getLogger("test"), logging.WARNING)
    for message in ("disk full", "disk full", "read only", "disk full"):
        failures.failed(message)
    failures.succeeded()
    failures.failed("disk full")
    assert caplog.messages == ["disk full", "read only", "disk full", "disk full"]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
