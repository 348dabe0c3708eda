"""Each case in labs/ is a lab, a line `---`, and the commands it must become: setup, a line `--`, teardown.

`NSCOMPILE_UPDATE=1 pytest tests/test_labs.py` writes the commands anew; read the difference before committing it.
tests/test_live.py builds the same labs on the kernel.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compiling import planned
from nscompile.compiler import compile_lab
from nscompile.render import commands, undos

CASES = sorted((Path(__file__).parent / "labs").glob("*.case"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_lab_becomes_exactly_these_commands(case: Path) -> None:
    lab, _, expected = case.read_text(encoding="utf-8").partition("---\n")
    assert compile_lab("lab.nsl", lab.encode(), ("up",)).diagnostics == []
    made = planned(lab, f"{case.stem}.nsl")
    setup = [commands([step]) for step in made.steps]
    teardown = [undos(section) for _, section in made.teardown()]
    found = "\n".join([*setup, "--", *teardown]) + "\n"
    if os.environ.get("NSCOMPILE_UPDATE"):
        case.write_text(f"{lab}---\n{found}", encoding="utf-8")
    assert os.environ.get("NSCOMPILE_UPDATE") or found == expected
