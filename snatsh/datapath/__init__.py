# SPDX-License-Identifier: Apache-2.0
"""The eBPF datapath seen from user space: load, attach, stage, flip, read flows."""
