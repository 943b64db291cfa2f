# SPDX-License-Identifier: Apache-2.0
"""API routes, one module per subject."""
