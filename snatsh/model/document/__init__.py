# SPDX-License-Identifier: Apache-2.0
"""A profile as a document: nested dicts, with marks on statements."""
