# SPDX-License-Identifier: Apache-2.0
"""The output of `ipvsadm -ln`, of DPVS or of lvs-snat with an empty table."""

from __future__ import annotations

import re

from snatsh.interop.dialect import Dialect, InterfaceAddresses
from snatsh.interop.dpvs import FIELDS, Service, services
from snatsh.interop.intermediate import Finding, Imported, SourceLocation
from snatsh.interop.text import ShellWord
from snatsh.model.limits import accept

_ROW = re.compile(r"MATCH (\w+),(?:from=([0-9.]+-[0-9.]+)(?::0-0)?,?)?(?:to=([0-9.]+-[0-9.]+)(?::0-0)?,?)?"
                  r"(?:oif=([^,\s]+),?)?(?:iif=([^,\s]+))? (\w+)")  # fmt: skip
_SERVER = re.compile(r"\s*-> ([0-9.]+):0\s+SNAT\s+(\d+)\b.*")


def read(source: str, _own: InterfaceAddresses) -> Imported:
    source = accept(source)
    found: list[Service] = []
    findings: list[Finding] = []
    for number, line in enumerate(source.splitlines(), 1):
        location = SourceLocation(number, 1)
        row, server = _ROW.fullmatch(line.rstrip()), _SERVER.fullmatch(line)
        head = ShellWord(line.strip()[:200], location)
        if row:
            values = zip(FIELDS, row.groups(), strict=False)
            fields = {name: ShellWord(value, location) for name, value in values if value}
            found.append(Service(head, head.text, fields, row[6], ()))
        elif server and found:
            held = found.pop()
            servers = (*held.servers, (ShellWord(server[1], location), int(server[2])))
            found.append(Service(held.head, held.shown, held.fields, held.scheduler, servers))
        elif re.match(r"\[|IP Virtual|Prot |\s*-> (Source|Remote)A|FWM\s+\d+ snat_sched|\s*$", line):
            if line.startswith("FWM"):
                findings.append(Finding(location, "passed-over", "lists the service, not its rules"))
        else:
            raise head.refuse("expected a line that ipvsadm -ln prints")
    return services(found, findings)


DIALECT = Dialect(
    "dpvs-listing",
    signature=r"^\s*IP Virtual Server version|^Prot LocalAddress",
    help="Output of ipvsadm -ln",
    paste="the output of `ipvsadm -ln` of DPVS",
    read=read,
)
