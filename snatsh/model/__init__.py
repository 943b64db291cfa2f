# SPDX-License-Identifier: Apache-2.0
"""The profile: schema, documents, forms, changes and validation. Pure: no I/O, no root."""
