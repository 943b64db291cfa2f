"""Uplinks: monitoring, state, failover events."""
