"""The package as it is shipped: a wheel built from an sdist works in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_wheel_from_an_sdist_compiles_the_article_outside_the_checkout(tmp_path: Path) -> None:
    tools, clean = tmp_path / "tools", tmp_path / "clean"
    for venv in (tools, clean):
        run(sys.executable, "-m", "venv", venv, cwd=tmp_path)
    run(tools / "bin/pip", "install", "--quiet", "hatchling", cwd=tmp_path)
    run(tools / "bin/python", "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path, cwd=ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    run(tools / "bin/pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, sdist, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run(clean / "bin/pip", "install", "--quiet", wheel, cwd=tmp_path)
    lab = tmp_path / "lab.nsl"
    lab.write_bytes((ROOT / "out" / "article" / "lab.nsl").read_bytes())
    script = run(clean / "bin/nscompile", "lab.nsl", cwd=tmp_path)
    assert script == (ROOT / "out" / "article" / "up.sh").read_text(encoding="utf-8")
    assert "NSL101" in run(clean / "bin/nscompile", "explain", cwd=tmp_path)
    assert run(clean / "bin/python", "-m", "nscompile", "--help", cwd=tmp_path)
