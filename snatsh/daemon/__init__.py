# SPDX-License-Identifier: Apache-2.0
"""snatd: the API over a Unix socket, roles and audit."""
