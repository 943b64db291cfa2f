# SPDX-License-Identifier: Apache-2.0
"""The programs of the wheel at work in a lab, from an environment that knows nothing of the checkout."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from snatsh import __version__
from snatsh.lab import services
from snatsh.lab.gateway import Snatd
from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import demo
from tests.wheel.conftest import ROOT, run

# The checkout is out of sight of what is run this way.
AWAY = ("unshare", "--mount", "sh", "-c", 'cd / && mount -t tmpfs none "$0" && exec "$@"', str(ROOT))
RULES = "*nat\n-A POSTROUTING -s 192.168.40.0/24 -o eth1 -j SNAT --to-source 1.1.2.100\nCOMMIT\n"


class InstalledSnatd(Snatd):
    """snatd of the environment."""

    def __init__(self, lab: Lab, environment: Path) -> None:
        super().__init__(lab)
        self.environment = environment

    def command(self, *options: str) -> list[str]:
        _, *arguments = super().command(*options)
        return [*AWAY, str(self.environment / "bin/snatd"), *arguments]

    def snatsh(self, *arguments: str, stdin: str | None = None) -> str:
        """What the environment's snatsh prints."""
        program = str(self.environment / "bin/snatsh")
        clean = {"SNATSH_SOCKET": str(self.socket), "PYTHONPATH": ""}
        return self.lab[self.node].run(*AWAY, program, *arguments, env=clean, stdin=stdin).stdout


@pytest.fixture(scope="module")
def snatd(environment: Path) -> Iterator[InstalledSnatd]:
    with Lab(demo()) as lab:
        services.start(lab)
        running = InstalledSnatd(lab, environment)
        (installed,) = environment.glob("lib/python3*/site-packages/snatsh")
        running.start(installed / "profiles" / "multi-isp.yaml")
        yield running


def test_environment_is_independent_of_the_checkout(environment: Path) -> None:
    imports = "import sys, snatsh.datapath.bcc.source as source"
    look = f"{imports}; print(source.SOURCE_FOLDER, source.__file__, *sys.path, sep='\\n')"
    found = run(environment / "bin/python", "-I", "-c", look, cwd=environment).split()
    assert found[0].startswith(str(environment))
    assert found[1].startswith(str(environment))
    assert not [path for path in found if Path(path).is_relative_to(ROOT)]


def test_runtime_lock_is_complete(environment: Path) -> None:
    """Debian's packages show through into the environment; what they lack is no concern of the lock."""
    lock = (ROOT / "requirements.lock").read_text()
    locked = {"snatsh", *re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)}
    done = subprocess.run([environment / "bin/pip", "check"], capture_output=True, text=True, check=False)
    assert not [line for line in done.stdout.splitlines() if line.split()[0].lower() in locked]


def test_lab_is_not_installed(environment: Path) -> None:
    done = subprocess.run(
        [environment / "bin/python", "-I", "-c", "import snatsh.lab"],
        cwd=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "No module named 'snatsh.lab'" in done.stderr


def test_snatd_translates(snatd: InstalledSnatd) -> None:
    client = snatd.lab["client-a"]
    assert client.run("ping", "-c", "3", "-i", "0.2", "8.8.8.8").returncode == 0
    assert "icmp" in snatd.snatsh("-c", "show flows")


def test_shell_runs(snatd: InstalledSnatd) -> None:
    assert __version__ in snatd.snatsh("-c", "show version")
    assert __version__ in snatd.snatsh("--version")
    shipped = {path.stem for path in (ROOT / "profiles").glob("*.yaml")}
    assert shipped <= set(snatd.snatsh("-c", "show profiles").split())
    assert snatd.snatsh("-c", "configure", "-c", "load override profile single-isp", "-c", "show") != ""
    assert "isp-a" in snatd.snatsh(stdin="show links\n")


def test_live_view_runs(snatd: InstalledSnatd) -> None:
    assert "isp-a" in snatd.snatsh("top", "--once")


def test_import_runs(snatd: InstalledSnatd, tmp_path: Path) -> None:
    source = tmp_path / "rules"
    source.write_text(RULES)
    assert "1.1.2.100" in snatd.snatsh("import", str(source))


def test_programs_under_test_are_the_installed_ones(snatd: InstalledSnatd) -> None:
    program = str(Path(f"/proc/{snatd.pid}/exe").readlink())
    line = Path(f"/proc/{snatd.pid}/cmdline").read_bytes().split(b"\0")
    assert not program.startswith(str(ROOT))
    assert line[1].decode().startswith(str(snatd.environment))
