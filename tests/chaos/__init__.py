# SPDX-License-Identifier: Apache-2.0
"""Long runs against everything at once: `make chaos`."""
