# SPDX-License-Identifier: Apache-2.0
"""snatsh: a source NAT gateway, its shell and its live console."""

__version__ = "0.2.0"
