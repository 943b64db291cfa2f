# SPDX-License-Identifier: Apache-2.0
"""The profile: its schema, its forms, its rules of validity. Pure: no I/O and no root."""
