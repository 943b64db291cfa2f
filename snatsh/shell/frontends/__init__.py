# SPDX-License-Identifier: Apache-2.0
"""Front ends: rich, plain, batch and embedded."""
