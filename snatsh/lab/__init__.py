# SPDX-License-Identifier: Apache-2.0
"""The demo network in namespaces and its traffic; tests and benchmarks build on it."""
