# SPDX-License-Identifier: Apache-2.0
"""The YAML, JSON, set and curly forms of a document."""
