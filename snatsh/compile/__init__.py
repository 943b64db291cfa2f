# SPDX-License-Identifier: Apache-2.0
"""Profile to map images, and the reference matcher the datapath is held against. Pure."""
