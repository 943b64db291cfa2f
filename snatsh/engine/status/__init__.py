# SPDX-License-Identifier: Apache-2.0
"""Counters, alarms and overviews that consoles show."""
