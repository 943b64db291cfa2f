# SPDX-License-Identifier: Apache-2.0
"""Programs on interfaces: attach, replace, detach, and what stands in their way."""
