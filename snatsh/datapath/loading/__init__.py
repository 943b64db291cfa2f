# SPDX-License-Identifier: Apache-2.0
"""What is loaded, pinned and attached already, and how a new process takes it up."""
