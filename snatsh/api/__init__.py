# SPDX-License-Identifier: Apache-2.0
"""The border between snatd and its clients: one frozen model for each object of the JSON API.

snatd builds these models and encodes them; clients decode them. Names, units and sort orders of what
is listed stand beside the models.
"""
