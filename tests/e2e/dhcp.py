# SPDX-License-Identifier: Apache-2.0
"""A provider with a real DHCP server, and the DHCP client of the gateway."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from snatsh.lab.namespaces import Lab

# What a distribution's script does, but for /etc/resolv.conf.
SCRIPT = """#!/bin/sh
case $1 in
deconfig) ip -4 address flush dev $interface ;;
bound | renew)
    ip address replace $ip/$mask dev $interface
    ip route replace default via $router ;;
esac
"""


class Dhcp:
    """On the link of the gateway's eth1."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._server: subprocess.Popen[bytes] | None = None
        self._client: subprocess.Popen[bytes] | None = None

    def serve(self, address: str, router: str) -> None:
        """From now on this is the one address there is. Who has another one hears so when it renews."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        files = (
            f"--dhcp-leasefile={self._lab.folder / 'leases'}",
            f"--pid-file={self._lab.folder / 'dnsmasq.pid'}",
        )
        self._server = self._lab.spawn(
            "isp-a", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root",
            "--interface=eth0", "--bind-interfaces", "--dhcp-authoritative", "--no-ping", *files,
            f"--dhcp-range={address},{address},255.255.255.0,2m", f"--dhcp-option=3,{router}",
            "--dhcp-option=6", log="dnsmasq.log",
        )  # fmt: skip

    def ask(self) -> None:
        """Get an address, and ask whether it is still good when there is one."""
        if self._client is None:
            script = Path(self._lab.folder / "udhcpc")
            script.write_text(SCRIPT)
            script.chmod(0o755)
            options = ("-f", "-i", "eth1", "-s", str(script), "-t", "50", "-T", "1", "-A", "1")
            self._client = self._lab.spawn("gateway", "udhcpc", *options, log="udhcpc.log")
        else:
            os.kill(self._client.pid, signal.SIGUSR1)
