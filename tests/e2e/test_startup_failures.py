# SPDX-License-Identifier: Apache-2.0
"""snatd on an unsuitable host or with bad input: it reports why, exits and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from snatsh.lab.gateway import SNATSH, Snatd
from snatsh.lab.namespaces import Lab
from tests.e2e.harness import NOBODY, Gateway, document


@pytest.fixture
def snatd(bare_lab: Lab) -> Iterator[Snatd]:
    """Not started. Afterwards nothing of it may be left in the gateway."""
    snatd = Snatd(bare_lab)
    yield snatd
    links = bare_lab["gateway"].run("ip", "link").stdout
    filters = bare_lab["gateway"].run("tc", "qdisc", "show").stdout
    assert "xdp" not in links
    assert "clsact" not in filters
    assert not snatd.pins.exists() or not list(snatd.pins.iterdir())


def fails(snatd: Snatd, *argv: str, env: dict[str, str] | None = None) -> str:
    """Run it, expect that it ends by itself with an error of a few lines; what it said."""
    done = snatd.lab[snatd.node].run(*argv, check=False, timeout=20, env=env)
    assert done.returncode not in (0, -9), done
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert not snatd.socket.exists()
    return done.stderr


def profile(snatd: Snatd, text: str) -> str:
    path = snatd.lab.folder / "bad.yaml"
    path.write_text(text)
    return str(path)


def test_start_without_root_is_refused(snatd: Snatd) -> None:
    assert "root" in fails(snatd, *NOBODY, *snatd.command())


def test_start_without_bcc_is_refused(snatd: Snatd, tmp_path: Path) -> None:
    found = importlib.util.find_spec("bcc")
    assert found is not None and found.origin is not None
    hide = f"mount --bind {tmp_path} {Path(found.origin).parent}"
    argv = ("unshare", "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh", *snatd.command())
    assert "python3-bpfcc" in fails(snatd, *argv, env={"CACHE_DIRECTORY": str(tmp_path / "cache")})


def test_state_folder_occupied_by_a_file_is_refused(snatd: Snatd, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    snatd.state = tmp_path / "file" / "state"
    assert str(snatd.state) in fails(snatd, *snatd.command())


def test_read_only_state_folder_is_refused(snatd: Snatd, tmp_path: Path) -> None:
    snatd.state = tmp_path / "state"
    snatd.state.mkdir()
    mount = f"mount --bind {snatd.state} {snatd.state} && mount -o remount,ro,bind {snatd.state}"
    argv = ("unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", *snatd.command())
    assert str(snatd.state) in fails(snatd, *argv)


def test_missing_interface_is_logged(snatd: Snatd) -> None:
    wanted = document("auto")
    wanted["interfaces"]["eth9"] = {"role": "outside"}
    snatd.start(Path(profile(snatd, yaml.safe_dump(wanted))))
    assert "first configuration: interfaces eth9: missing on this gateway" in snatd.log.read_text()
    assert snatd.stop() == 0
    snatd.lab["gateway"].run(*snatd.command("--remove"))
    shutil.rmtree(snatd.state)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules: [", "line"),
        ("interfacez: {}", "interfacez"),
        ("rules: {'10': {source: 192.168.40.1/24, pool: a}}", "192.168.40.0/24"),
        ("rules: {'10': {source: 192.168.40.0/24, pool: nowhere}}", "nowhere"),
    ],
    ids=["broken YAML", "unknown key", "host bits", "unknown pool"],
)
def test_invalid_profile_is_refused(snatd: Snatd, text: str, says: str) -> None:
    path = profile(snatd, text)
    assert says in fails(snatd, *snatd.command("--profile", path))


def test_missing_profile_is_refused(snatd: Snatd) -> None:
    assert "/nowhere.yaml" in fails(snatd, *snatd.command("--profile", "/nowhere.yaml"))


def test_check_succeeds_and_changes_nothing(snatd: Snatd) -> None:
    done = snatd.lab["gateway"].run(*snatd.command("--check"))
    assert done.stdout.strip()
    assert not snatd.socket.exists()
    assert not snatd.state.exists()


def test_check_requires_root(snatd: Snatd) -> None:
    done = snatd.lab["gateway"].run(*NOBODY, *snatd.command("--check"), check=False)
    assert done.returncode == 1
    assert "root" in done.stdout + done.stderr


def test_shell_without_snatd_names_the_socket(snatd: Snatd) -> None:
    done = subprocess.run(
        [SNATSH, "--socket", str(snatd.socket), "-c", "show flows"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert str(snatd.socket) in done.stderr
    assert "Traceback" not in done.stderr


def test_second_snatd_is_refused(gateway: Gateway) -> None:
    first = gateway.snatd
    done = gateway.lab["gateway"].run(*first.command(), check=False, timeout=20)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "snatd" in done.stderr
    assert first.client.version().api == 1
    seen = gateway.client.run("curl", "-sS", "--max-time", "10", "http://8.8.8.8/").stdout
    assert seen.startswith("1.1.2.1")
