"""Differences between documents: diff, merge and patch."""
