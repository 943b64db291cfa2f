# SPDX-License-Identifier: Apache-2.0
"""Packet test, trace, and ping from a pool address."""
