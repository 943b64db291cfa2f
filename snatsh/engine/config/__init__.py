"""Candidate, commit, history and deadlines."""
