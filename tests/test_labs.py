"""Each case in labs/ is a lab, a line `---`, and the commands it must become: setup, a line `--`, teardown.

`NSCOMPILE_UPDATE=1 pytest tests/test_labs.py` writes the commands anew; read the difference before committing it.
tests/test_live.py builds the same labs on the kernel.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nscompile.checks import check
from nscompile.diagnostics import Diagnostics
from nscompile.lower import plan
from nscompile.parser import parse
from nscompile.render import commands, undo
from nscompile.resolve import resolve
from nscompile.source import Source

CASES = sorted((Path(__file__).parent / "labs").glob("*.case"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_lab_becomes_exactly_these_commands(case: Path) -> None:
    lab, _, expected = case.read_text(encoding="utf-8").partition("---\n")
    diagnostics = Diagnostics()
    topology = resolve(parse(Source(f"{case.stem}.nsl", lab), diagnostics), diagnostics)
    check(topology, diagnostics)
    assert [each.message for each in diagnostics.in_source_order()] == []
    made = plan(topology)
    setup = [commands([step]) for step in made.steps]
    teardown = [undo(each) for _, section in made.teardown() for each in section]
    found = "\n".join([*setup, "--", *teardown]) + "\n"
    if os.environ.get("NSCOMPILE_UPDATE"):
        case.write_text(f"{lab}---\n{found}", encoding="utf-8")
    assert os.environ.get("NSCOMPILE_UPDATE") or found == expected
