# SPDX-License-Identifier: Apache-2.0
"""Candidate, commit, history and deadlines."""
