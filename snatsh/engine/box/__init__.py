# SPDX-License-Identifier: Apache-2.0
"""What of the host acts on forwarded packets, as the kernel reports it: a module for each subject."""
