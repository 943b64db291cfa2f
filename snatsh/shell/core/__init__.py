# SPDX-License-Identifier: Apache-2.0
"""Session, grammar, completion and answers."""
