"""Each case in errors/ is a lab, a line `---`, and the exact report that the compiler must give on it.

`NSCOMPILE_UPDATE=1 pytest tests/test_errors.py` writes the reports anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from nscompile import report
from nscompile.compiler import compile_lab
from nscompile.diagnostics import Severity
from nscompile.resources import folder

CASES = sorted((Path(__file__).parent / "errors").glob("*.case"))
PAGES = sorted((folder("grammar") / "errors").glob("NSL*.md"))
# About files rather than labs; tests/test_cli.py has them.
OF_FILES = {"NSL001", "NSL002"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_broken_lab_gets_exactly_this_report(case: Path) -> None:
    lab, _, expected = case.read_text(encoding="utf-8").partition("---\n")
    result = compile_lab("lab.nsl", lab.encode(), ("up",))
    found = report.as_text(result.diagnostics)
    if os.environ.get("NSCOMPILE_UPDATE"):
        case.write_text(f"{lab}---\n{found}", encoding="utf-8")
    else:
        assert found == expected
    errors = [each for each in result.diagnostics if each.severity is Severity.ERROR]
    assert bool(result.scripts) is not bool(errors)
    code = re.match(r"NSL\d+", case.name)
    assert code is None or code[0] in {each.code for each in result.diagnostics}


def test_every_code_has_a_page_and_a_case() -> None:
    package = Path(report.__file__).parent
    used = {code for module in package.rglob("*.py") for code in re.findall(r"NSL\d{3}", module.read_text("utf-8"))}
    assert {page.stem for page in PAGES} == used
    assert {case.name[:6] for case in CASES if case.name.startswith("NSL")} == used - OF_FILES


def _example(page: Path, heading: str) -> str:
    _, _, rest = page.read_text(encoding="utf-8").partition(f"\n{heading}:\n\n")
    lines = []
    for line in rest.splitlines():
        if line and not line.startswith("    "):
            break
        lines.append(line[4:])
    return "\n".join(lines)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem not in OF_FILES], ids=lambda page: page.stem)
def test_a_page_shows_the_mistake_and_a_lab_without_it(page: Path) -> None:
    title = page.read_text(encoding="utf-8").splitlines()[0]
    wrong = compile_lab("lab.nsl", _example(page, "Wrong").encode(), ("up",))
    right = compile_lab("lab.nsl", _example(page, "Right").encode(), ("up",))
    assert title.startswith(f"{page.stem}: ")
    assert {each.code for each in wrong.diagnostics} == {page.stem}
    assert right.diagnostics == []
    assert right.scripts
