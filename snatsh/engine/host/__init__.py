"""The Linux host: interfaces, neighbors, netfilter, offloads."""
