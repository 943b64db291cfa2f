# SPDX-License-Identifier: Apache-2.0
"""Uplinks: monitoring, state, failover events."""
