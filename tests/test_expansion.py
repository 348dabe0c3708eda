"""Expansion across files, and what a case cannot hold: sizes, and what is left to the shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from nscompile.compiler import Result, compile_lab
from nscompile.diagnostics import Diagnostics
from nscompile.report import as_text
from nscompile.resolve.variables import Variables
from nscompile.source import Source, Span
from nscompile.syntax import Let, Word

TESTS = Path(__file__).parent
LARGE = {
    "ring of 20 routers": (TESTS / "large" / "ring20.nsl").read_text(encoding="utf-8"),
    "fat tree of 3 stages": (TESTS.parent / "out" / "fat-tree" / "lab.nsl").read_text(encoding="utf-8"),
    "grid of 10 x 10 routers": (TESTS.parent / "out" / "grid" / "lab.nsl")
    .read_text(encoding="utf-8")
    .replace("n = 3", "n = 10"),
}


def compiled(folder: Path, **files: str) -> Result:
    for name, text in files.items():
        (folder / f"{name}.nsl").write_text(text, encoding="utf-8")
    lab = folder / "lab.nsl"
    return compile_lab(str(lab), lab.read_bytes(), ("up",))


def test_an_included_file_knows_the_variables_of_the_lab_and_the_lab_its_nodes(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "one.nsl").write_text('include "../base.nsl"\nnode a ip $lan.1/24 on br0\n', encoding="utf-8")
    result = compiled(
        tmp_path,
        lab='include "sites/one.nsl"\nlab whole\nlet lan = 192.0.2\nnode b ip $lan.2/24 on br0\n',
        base="bridge br0 in bridge\n",
    )
    assert as_text(result.diagnostics) == ""
    script = result.scripts["up"]
    assert "\n# and from " in script
    assert "\n#   node a ip $lan.1/24 on br0\n" in script
    assert "\nip netns exec a ip address add 192.0.2.1/24 dev a-veth0\n" in script


def test_mistakes_are_told_file_by_file_with_the_other_place_in_its_own(tmp_path: Path) -> None:
    result = compiled(
        tmp_path,
        lab='include "more.nsl"\nbridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0\n',
        more="node b ip 192.0.2.1/24 on br0\nnode c ip 192.0.2.999/24 on br0\n",
    )
    assert as_text(result.diagnostics).replace(f"{tmp_path}/", "") == (
        "lab.nsl:3:11: error[NSL205]: `192.0.2.1` is given twice on `br0`\n"
        "   |\n"
        " 3 | node a ip 192.0.2.1/24 on br0\n"
        "   |           ^^^^^^^^^^^^\n"
        "  ::: more.nsl:1:11\n"
        " 1 | node b ip 192.0.2.1/24 on br0\n"
        "   |           ------------ to `b` here\n"
        "   = help: `192.0.2.2/24` is free\n"
        "\n"
        "more.nsl:2:19: error[NSL201]: `999` in `192.0.2.999` is more than 255\n"
        "   |\n"
        " 2 | node c ip 192.0.2.999/24 on br0\n"
        "   |                   ^^^\n"
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"lab": 'include "lab.nsl"\n'}, "lab.nsl` includes itself"),
        ({"lab": 'include "a.nsl"\n', "a": 'include "lab.nsl"\n'}, "lab.nsl` includes itself"),
        ({"lab": 'include "a.nsl"\ninclude "./a.nsl"\n', "a": "node a\n"}, "a.nsl` is included twice"),
        ({"lab": 'include "."\n'}, "cannot be read: is a directory"),
        ({"lab": 'include ""\n'}, "cannot be read: is a directory"),
    ],
)
def test_a_file_that_cannot_be_included_is_told_where_it_is_named(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    result = compiled(tmp_path, **files)
    (found,) = [each for each in result.diagnostics if each.code == "NSL021"]
    assert message in found.message
    assert found.span.text.startswith('"')


def test_in_a_string_what_is_no_variable_of_the_lab_is_left_to_the_shell() -> None:
    source = Source("lab.nsl", "")

    def word(text: str) -> Word:
        return Word(text, Span(source, 0, 0))

    variables = Variables(Diagnostics())
    variables.declare(Let(Span(source, 0, 0), word("n"), word("7")))
    text = r'"echo $n \$n $HOME $(id) $((1 + n)) \\$n [1..3]"'
    assert variables.expanded(word(text)) == r'"echo 7 \$n $HOME $(id) $((1 + n)) \\7 [1..3]"'


@pytest.mark.parametrize("lab", LARGE.values(), ids=LARGE)
def test_a_large_lab_takes_fewer_than_fifteen_lines(lab: str) -> None:
    lines = [line for line in lab.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) < 15
    assert compile_lab("lab.nsl", lab.encode(), ("up",)).diagnostics == []
