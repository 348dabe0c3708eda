"""What holds for every lab, tried on labs that nobody wrote."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compiling import planned
from nscompile.compiler import compile_lab
from nscompile.parser import STATEMENTS
from nscompile.plan import FileContents, Phase, Step
from nscompile.records import replace
from nscompile.render import Safe, UnquotedError, commands, comment, shell
from nscompile.render import _only_safe as only_safe
from nscompile.source import Source, Span
from shellwords import words as words_of

if TYPE_CHECKING:
    import random
    from pathlib import Path


@st.composite
def statements(draw: st.DrawFn) -> list[str]:
    """A sound lab with every address written out: bridges here and there, nodes on some, links between them."""
    bridges = draw(st.integers(1, 4))
    lines = []
    for bridge in range(bridges):
        where = draw(st.sampled_from(["host", "home", "uplink"]))
        if where == "host":
            nat = draw(st.sampled_from(["", " nat", " nat via eth9"]))
            lines.append(f"bridge br{bridge} ip 10.{bridge}.0.1/16, 2001:db8:{bridge}::1/64{nat}")
        else:
            lines.append(f"bridge br{bridge} in s{bridge}")
        if where == "uplink":
            lines.append(f"uplink br{bridge} ip 10.{bridge}.0.1/16{draw(st.sampled_from(['', ' nat']))}")
    nodes = draw(st.integers(2, 6))
    for node in range(nodes):
        clauses = []
        for bridge in draw(st.lists(st.integers(0, bridges - 1), min_size=1, max_size=3, unique=True)):
            name = draw(st.sampled_from(["", f" as eth{bridge}"]))
            clauses.append(f"ip 10.{bridge}.1.{node}/16 on br{bridge}{name}")
        kind = draw(st.sampled_from(["node", "router"]))
        lines.append(f"{kind} n{node} {' '.join(clauses)} gateway none")
    pairs = draw(st.lists(st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1)), max_size=6))
    for number, (left, right) in enumerate(pairs):
        if left != right:
            lines.append(f"link n{left} ip 172.16.{number}.1/30 -- n{right} ip 172.16.{number}.2/30")
    return lines


@given(statements(), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_the_order_of_statements_carries_no_meaning(lab: list[str], randomness: random.Random) -> None:
    shuffled = lab.copy()
    randomness.shuffle(shuffled)
    first, second = planned("\n".join(lab)), planned("\n".join(shuffled))
    assert sorted(step.do for step in first.steps) == sorted(step.do for step in second.steps)
    assert {row[1:3] for row in first.table} == {row[1:3] for row in second.table}
    assert set(first.interfaces()) == set(second.interfaces())


@given(statements())
@settings(max_examples=60)
def test_a_statement_at_the_end_moves_nothing(lab: list[str]) -> None:
    pool = "bridge pool in pools net 192.0.2.0/24\nnode p[1..3] on pool"
    shorter = planned("\n".join([pool, *lab]))
    longer = planned("\n".join([pool, *lab, "node last on pool"]))
    assert {step.do for step in shorter.steps} <= {step.do for step in longer.steps}


@given(statements())
@settings(max_examples=60)
def test_whatever_stays_on_the_host_has_an_undo(lab: list[str]) -> None:
    """What a step makes on the host is moved into a namespace or taken back; a namespace takes back the rest."""
    made = planned("\n".join(lab))
    moved = {step.do[3] for step in made.steps if step.do[:3] == ("ip", "link", "set") and "netns" in step.do}
    undone = {name for undo in (step.undo for step in made.steps) if undo for name in undo.name}
    assert set(made.interfaces()) <= moved | undone
    assert {step.do[3] for step in made.steps if step.do[:3] == ("ip", "netns", "add")} <= undone
    changed = [step for step in made.steps if step.do[0] in {"sysctl", "iptables", "ip6tables"}]
    assert all(step.undo is not None for step in changed)


@given(st.sampled_from(STATEMENTS), st.sampled_from([*STATEMENTS, "ip", "on", "in", "via", "nat", "none", "rule"]))
def test_every_keyword_is_a_name_where_a_name_stands(first: str, second: str) -> None:
    assume(first != second)
    text = f"lab {second}\nbridge {first} in {second} net 192.0.2.0/24\nnode {first} on {first}\n"
    planned(f"{text}router {second}x\nlink {first} -- {second}x:{second}\n")


words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)


@given(st.lists(words, min_size=1, max_size=6))
def test_quoting_gives_back_the_same_words(command: list[str]) -> None:
    assert words_of(shell(tuple(command))) == command


def test_the_contents_of_a_file_are_one_word_whatever_the_file_is_called(tmp_path: Path) -> None:
    file = tmp_path / "it's $HOME"
    file.write_text("two words *\n")
    assert words_of(shell(("a", FileContents(str(file)), str(file)))) == ["a", "two words *", str(file)]


def test_a_step_shows_where_it_reads_and_writes(tmp_path: Path) -> None:
    source = Source("lab.nsl", "")
    step = Step(Phase.NAMES, ("wg", "pubkey"), "", Span(source, 0, 0), stdin="/a b", stdout="/c")
    here = replace(step, do=("cat",), stdin="", text=("$x", "y"), stdout=str(tmp_path / "out"))
    assert commands([step]) == "wg pubkey <'/a b' >/c"
    assert commands([replace(step, background=True)]) == "wg pubkey <'/a b' >/c 2>&1 &"
    subprocess.run(["sh", "-c", commands([here])], check=True)
    assert (tmp_path / "out").read_text() == "$x\ny\n"


def test_a_shell_reads_quoted_words_as_they_were() -> None:
    hostile = ("$(id)", "`id`", "a b", "'", '"', "\\", "*", "~", "a;b", "!", "-n", "", "#", "ü\n", "&&", "x=1")
    done = subprocess.run(
        ["sh", "-c", f"for word in {shell(hostile)}; do printf '%s\\0' \"$word\"; done"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\0")[:-1] == list(hostile)


@given(words)
def test_a_comment_cannot_be_left(text: str) -> None:
    assert "".join(comment(text).splitlines()) == comment(text)
    assert all(char.isprintable() for char in comment(text))


@pytest.mark.parametrize("value", ["ns1", ("ip", "link"), None, 1.5])
def test_a_template_cannot_print_what_no_filter_made_safe(value: object) -> None:
    with pytest.raises(UnquotedError):
        only_safe(value)
    assert only_safe(Safe("ns1")) == "ns1"
    assert only_safe(3) == 3


FRAGMENTS = r"""
lab bridge node router link uplink in ip net nat via mtu on as mac gateway route rule none { } -- : , = \ " # $(id)
br0 ns[1..2] [ ] [1..3] 192.0.2.1/24 192.0.2.0/24 2001:db8::1/64 enp0s3 table 100 from default é
publish allow deny to -> * tcp 80 80/udp
""".split()
fragments = st.sampled_from([*FRAGMENTS, "\n", "\t"])


@given(st.lists(fragments | words, max_size=60).map(" ".join))
@settings(max_examples=400)
def test_no_text_makes_the_compiler_fail(lab: str) -> None:
    """Whatever it is given, it gives a script or says why not."""
    result = compile_lab("lab.nsl", lab.encode(), ("up", "down"))
    assert result.scripts or result.diagnostics
    starts = [each.span.start for each in result.diagnostics]
    assert starts == sorted(starts)
