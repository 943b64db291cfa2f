# SPDX-License-Identifier: Apache-2.0
"""How much of snatd its clients may take: connections, turns, memory, lines of the log."""
