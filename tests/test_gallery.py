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
SCRIPTS = sorted((ROOT / "out").glob("*/*.sh"))
SHELLS = ("dash", "bash", "busybox", "mksh", "yash")

# The article's 38 commands that change state, in its own order.
ARTICLE = (ROOT / "tests" / "article.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.parent.name)
def test_the_committed_scripts_are_what_the_compiler_prints(lab: Path) -> None:
    result = compile_lab("lab.nsl", lab.read_bytes(), KINDS)
    assert result.diagnostics == []
    committed = {path.name: path.read_text(encoding="utf-8") for path in lab.parent.iterdir() if path != lab}
    assert committed == {f"{kind}.sh": text for kind, text in result.scripts.items()}


def test_the_article_comes_out_command_for_command() -> None:
    script = (ROOT / "out" / "article" / "up.sh").read_text(encoding="utf-8").splitlines()
    assert len(ARTICLE) == 38
    assert [line for line in script if line in set(ARTICLE)] == ARTICLE


def test_shellcheck_finds_nothing_and_is_told_to_overlook_nothing() -> None:
    assert not [script for script in SCRIPTS if "shellcheck" in script.read_text(encoding="utf-8")]
    checked = subprocess.run(["shellcheck", *map(str, SCRIPTS)], capture_output=True, text=True, check=False)
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
