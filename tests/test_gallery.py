"""The gallery in out/ is what the compiler prints, and its scripts are sound shell in every shell we name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from nscompile.cli import KINDS
from nscompile.compiler import compile_lab

ROOT = Path(__file__).parent.parent
LABS = sorted((ROOT / "out").glob("*/lab.nsl"))
SCRIPTS = sorted((ROOT / "out").rglob("*.sh"))
SHELLS = ("dash", "bash", "busybox", "mksh", "yash")

# The article's 38 commands that change state, in its own order.
ARTICLE = (ROOT / "tests" / "article.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.parent.name)
def test_the_committed_scripts_are_what_the_compiler_prints(lab: Path) -> None:
    """Those of `-O` as well, where the lab has a folder of them."""
    fast = lab.parent / "optimized"
    for folder in [lab.parent, *([fast] if fast.exists() else [])]:
        result = compile_lab("lab.nsl", lab.read_bytes(), KINDS, fast=folder == fast)
        assert result.diagnostics == []
        committed = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.sh")}
        assert committed == {f"{kind}.sh": text for kind, text in result.scripts.items()}


def test_the_gallery_holds_nothing_else() -> None:
    names = {str(path.relative_to(lab.parent)) for lab in LABS for path in lab.parent.rglob("*") if path.is_file()}
    assert names == {"lab.nsl", "up.sh", "down.sh", "optimized/up.sh", "optimized/down.sh"}


def test_the_article_comes_out_command_for_command() -> None:
    script = (ROOT / "out" / "article" / "up.sh").read_text(encoding="utf-8").splitlines()
    assert len(ARTICLE) == 38
    assert [line for line in script if line in set(ARTICLE)] == ARTICLE


def test_shellcheck_finds_nothing_and_is_told_to_overlook_nothing(tmp_path: Path) -> None:
    """Neither in the gallery nor in what `-O` makes of it."""
    for lab in LABS:
        for kind, text in compile_lab("lab.nsl", lab.read_bytes(), KINDS, fast=True).scripts.items():
            (tmp_path / f"{lab.parent.name}-{kind}.sh").write_text(text, encoding="utf-8")
    scripts = [*SCRIPTS, *tmp_path.iterdir()]
    assert not [script for script in scripts if "shellcheck" in script.read_text(encoding="utf-8")]
    checked = subprocess.run(["shellcheck", *map(str, scripts)], capture_output=True, text=True, check=False)
    assert checked.stdout == ""
    assert checked.returncode == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_runs_the_scripts_dry_and_prints_the_same(shell: str) -> None:
    assert shutil.which(shell), f"{shell} is not installed"
    command = [shell, "sh"] if shell == "busybox" else [shell]
    for script in SCRIPTS:
        outputs = [
            subprocess.run([*each, str(script), "--dry-run"], capture_output=True, text=True, check=True)
            for each in (["sh"], command)
        ]
        assert outputs[0].stdout == outputs[1].stdout
        assert outputs[1].stderr == ""


@pytest.mark.parametrize("script", ["up.sh", "down.sh"])
def test_a_script_explains_itself_and_refuses_what_it_does_not_know(script: str) -> None:
    path = str(ROOT / "out" / "article" / script)
    shown = subprocess.run(["sh", path, "--help"], capture_output=True, text=True, check=True)
    wrong = subprocess.run(["sh", path, "--now"], capture_output=True, text=True, check=False)
    assert shown.stdout.startswith(f"usage: sh {script} ")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(f"{script}: unknown option --now\nusage: ")
