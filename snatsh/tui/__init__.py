# SPDX-License-Identifier: Apache-2.0
"""The live view on textual, `snatsh top`: one module per screen and per widget."""
