# SPDX-License-Identifier: Apache-2.0
"""What the wheel and the sdist hold, and what building them leaves behind."""

from __future__ import annotations

import email
import subprocess
import sys
import zipfile
from pathlib import Path

from snatsh import __version__
from tests.wheel.conftest import ROOT, build, run


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def tracked(folder: str) -> set[str]:
    """The files of a folder that belong to the project."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", folder, cwd=ROOT)
    return {name for name in listed.splitlines() if (ROOT / name).exists()}


def test_wheel_contains_package_and_data(wheel: Path) -> None:
    expected = {name for name in tracked("snatsh") if not name.startswith("snatsh/lab/")}
    expected |= {f"snatsh/{name}" for folder in ("bpf", "profiles") for name in tracked(folder)}
    held = contents(wheel)
    assert {name for name in held if ".dist-info/" not in name} == expected
    for name in tracked("bpf"):
        assert held[f"snatsh/{name}"] == (ROOT / name).read_bytes()


def test_wheel_metadata(wheel: Path) -> None:
    held = contents(wheel)
    info = f"snatsh-{__version__}.dist-info"
    metadata = email.message_from_bytes(held[f"{info}/METADATA"])
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)"
    assert metadata["Author"] == "snatsh maintainers"
    assert set(metadata.get_all("License-File", [])) == {
        "LICENSE", "LICENSES/BSD-2-Clause.txt", "LICENSES/GPL-2.0-only.txt",
    }  # fmt: skip
    for name in metadata.get_all("License-File", []):
        assert held[f"{info}/licenses/{name}"] == (ROOT / name).read_bytes()


def test_sdist_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    assert contents(build(sdist, "wheel", tmp_path)) == contents(wheel)


def test_installing_and_building_leave_the_checkout_clean(tmp_path: Path) -> None:
    """From a clone of the checkout's files, with nothing ignored but what .gitignore names."""
    clone = tmp_path / "clone"
    run("git", "init", "-q", clone, cwd=tmp_path)
    for name in tracked("."):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((ROOT / name).read_bytes())
    before = {path for path in clone.rglob("*") if ".git" not in path.parts}
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    for _ in range(2):
        run(*pip, "install", *offline, "--target", tmp_path / "installed", "--upgrade", ".", cwd=clone)
    run(*pip, "wheel", *offline, "--wheel-dir", tmp_path / "wheels", ".", cwd=clone)
    assert {path for path in clone.rglob("*") if ".git" not in path.parts} == before


def test_git_ignores_generated_files() -> None:
    made = ["build/x", ".venv/x", "snatsh.egg-info/x", "dist/x", ".mypy_cache/x", "snatsh/__pycache__/x"]
    done = subprocess.run(
        ["git", "check-ignore", *made], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == made
