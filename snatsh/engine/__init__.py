"""Candidates, commits, history and links: what decides which rule set runs."""
