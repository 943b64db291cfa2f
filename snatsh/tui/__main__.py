# SPDX-License-Identifier: Apache-2.0
"""`python -I -m snatsh.tui`, as the shell starts it."""

import sys

from snatsh.tui.main import main

sys.exit(main())
