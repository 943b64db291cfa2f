"""Counters, alarms and overviews that consoles show."""
