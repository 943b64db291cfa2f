# SPDX-License-Identifier: Apache-2.0
"""The release: what the wheel holds, and that it runs away from the checkout."""
