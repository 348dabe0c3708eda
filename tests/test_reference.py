"""The documents are true: every example in them compiles, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nscompile.compiler import compile_lab
from nscompile.parser import STATEMENTS
from nscompile.report import as_text

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "grammar" / "README.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
MISTAKES = re.findall(r"^```nsl-wrong\n(.*?)^```\n\n```report\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)
SECTIONS = re.split(r"^##+ ", REFERENCE, flags=re.MULTILINE)[1:]
EXAMPLES = re.findall(r"^```nsl\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.partition("\n")[0])
def test_an_example_of_the_reference_compiles_without_a_word(example: str) -> None:
    result = compile_lab("lab.nsl", example.encode(), ("up", "down"))
    assert result.diagnostics == []
    assert result.scripts


@pytest.mark.parametrize(("lab", "report"), MISTAKES, ids=lambda text: text.partition("\n")[0])
def test_a_mistake_in_the_reference_gets_the_report_that_is_shown(lab: str, report: str) -> None:
    assert as_text(compile_lab("lab.nsl", lab.encode(), ("up",)).diagnostics) == report


def test_every_example_of_a_mistake_is_followed_by_its_report() -> None:
    assert len(MISTAKES) == REFERENCE.count("```nsl-wrong\n") == REFERENCE.count("```report\n")


def test_every_statement_has_an_example_and_a_mistake_next_to_it() -> None:
    titles = {word for section in SECTIONS for word in re.findall(r"[\w-]+", section.partition("\n")[0])}
    assert set(STATEMENTS) <= titles
    poor = [
        section.partition("\n")[0] for section in SECTIONS if "```nsl\n" in section and "```nsl-wrong\n" not in section
    ]
    assert poor == ["Lines, words, names"]


def test_every_statement_and_keyword_of_the_grammar_is_in_an_example() -> None:
    grammar = (ROOT / "grammar" / "nsl.lark").read_text(encoding="utf-8")
    keywords = set(re.findall(r'^_[A-Z_]+\.2: "([a-z-]+)" _EDGE$', grammar, re.MULTILINE))
    assert set(STATEMENTS) <= keywords
    written = {word for example in EXAMPLES for word in example.split()}
    # An example cannot include a file that is not there.
    assert keywords - written == {"include"}


def test_the_tour_in_the_readme_compiles() -> None:
    tour = README.partition("## The language in one minute\n\n")[2].partition("\n\n[")[0]
    result = compile_lab("lab.nsl", "\n".join(line.strip() for line in tour.splitlines()).encode(), ("up",))
    assert result.diagnostics == []


def test_the_readme_shows_commands_that_the_compiler_prints() -> None:
    shown = README.partition("becomes\n\n")[2].partition("…")[0].split("\n")
    script = (ROOT / "out" / "article" / "up.sh").read_text(encoding="utf-8").splitlines()
    commands = [line.strip() for line in shown if line.strip()]
    assert commands
    assert [line for line in script if line in commands] == commands


def test_the_report_in_the_readme_is_what_the_compiler_says() -> None:
    lab = "bridge br0 in bridge\nnode ns1 ip 192.0.2.1/24 on br0\nnode ns2 ip 192.0.2.1/24 on br0\n"
    report = as_text(compile_lab("lab.nsl", lab.encode(), ("up",)).diagnostics)
    shown = README.partition("has a page for:\n\n")[2].partition("\n\n`--diag")[0]
    assert [line[4:] for line in shown.splitlines()] == report.splitlines()


@pytest.mark.parametrize("document", ["README.md", "grammar/README.md"])
def test_every_link_leads_somewhere(document: str) -> None:
    path = ROOT / document
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", path.read_text(encoding="utf-8")):
        file = path.parent / target if target else path
        assert file.exists(), target
        headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, anchor


def test_the_gallery_is_listed_in_the_readme() -> None:
    labs = {folder.name for folder in (ROOT / "out").iterdir()}
    assert set(re.findall(r"\]\(out/([\w-]+)\)", README)) == labs
