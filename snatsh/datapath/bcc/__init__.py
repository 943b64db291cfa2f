# SPDX-License-Identifier: Apache-2.0
"""From the C source to object code: BCC in a process, and the cache of what it compiled."""
