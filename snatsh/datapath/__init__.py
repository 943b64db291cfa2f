"""The eBPF datapath seen from user space: load, attach, stage, flip, read flows."""
