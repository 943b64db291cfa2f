# SPDX-License-Identifier: Apache-2.0
"""The Linux host: interfaces, neighbors, netfilter, offloads."""
