# SPDX-License-Identifier: Apache-2.0
"""The YAML, set and curly forms of a document."""
