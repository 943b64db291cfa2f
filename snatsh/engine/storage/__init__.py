# SPDX-License-Identifier: Apache-2.0
"""Files that outlive snatd, and locks."""
