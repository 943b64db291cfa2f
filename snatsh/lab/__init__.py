# SPDX-License-Identifier: Apache-2.0
"""The demo network in namespaces and its traffic, also the base of tests and benchmarks."""
