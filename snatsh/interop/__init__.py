# SPDX-License-Identifier: Apache-2.0
"""Importers and exporters for what other source NAT gateways are configured by, one module per dialect."""
