# SPDX-License-Identifier: Apache-2.0
"""The engine: configuration, links, and everything that decides which rule set runs."""
