# SPDX-License-Identifier: Apache-2.0
"""Candidates, commits, history and links: what decides which rule set runs."""
