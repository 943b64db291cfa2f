# SPDX-License-Identifier: Apache-2.0
"""Flow listings, groups, rates and expiry."""
