# SPDX-License-Identifier: Apache-2.0
"""`snatsh import`: convert the configuration of another NAT without a gateway."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from snatsh.interop.dialects import DIALECTS
from snatsh.interop.importing import import_text
from snatsh.model.errors import FormError, ProfileError
from snatsh.model.forms import yaml_form


def main(arguments: Sequence[str]) -> int:
    """Print the profile as YAML and the report on standard error. Status 1 when no rule was converted."""
    options = _options(arguments)
    try:
        text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text("utf-8")
        document, report = import_text(text, options.dialect)
    except (FormError, ProfileError) as error:
        return _failed(f"{options.file}: {error}")
    except (OSError, UnicodeError) as error:
        return _failed(f"{options.file}: cannot be read: {error}")
    if options.json:
        print(json.dumps({"document": document, "report": report.data}, indent=2))
    else:
        print(yaml_form.render(document), end="")
        print(report.text(), end="", file=sys.stderr)
    return 0 if report.rows else 1


def _failed(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="snatsh import",
        description="Convert the configuration of another NAT to a profile, printed as YAML.\n"
        "A report of what has no equivalent follows on standard error.",
        epilog=_dialects(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dialect", nargs="?", help="format of the file; detected when omitted")
    parser.add_argument("file", help="file to read; - for standard input")
    parser.add_argument("--json", action="store_true", help="print profile and report as JSON")
    return parser.parse_intermixed_args(arguments)


def _dialects() -> str:
    rows = sorted((dialect.name, dialect.help) for dialect in DIALECTS)
    return "\n".join(
        [
            "dialects:",
            *(f"  {name:<16}{help_}" for name, help_ in rows),
            "",
            "examples:",
            "  iptables-save | snatsh import - >profile.yaml",
            "  snatsh import keepalived /etc/keepalived/keepalived.conf --json",
        ]
    )
