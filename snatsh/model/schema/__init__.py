# SPDX-License-Identifier: Apache-2.0
"""The schema of a profile, and statements as paths in it."""
