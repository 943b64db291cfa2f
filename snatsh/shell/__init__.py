# SPDX-License-Identifier: Apache-2.0
"""The router-style shell: one core, a rich front end and a plain one."""
