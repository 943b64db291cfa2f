# SPDX-License-Identifier: Apache-2.0
"""Pool usage over time."""
