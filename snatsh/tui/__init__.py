# SPDX-License-Identifier: Apache-2.0
"""The live console: textual, one module per screen and per widget. `snatsh top` starts it."""
