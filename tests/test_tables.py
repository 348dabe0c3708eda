"""The tables and what runs them, held against lark itself."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Transformer
from lark.exceptions import UnexpectedInput, UnexpectedToken

from nscompile import tables as module
from nscompile.automaton import Automaton
from nscompile.parser import _grammar as own_grammar
from nscompile.source import Source, Span
from nscompile.syntax import Word

if TYPE_CHECKING:
    from lark import Lark
    from lark.tree import Meta

ROOT = Path(__file__).parent.parent
GRAMMAR = (ROOT / "grammar" / "nsl.lark").read_text(encoding="utf-8")
CASES = [*(ROOT / "tests" / "labs").glob("*.case"), *(ROOT / "tests" / "errors").glob("*.case")]
LABS = {
    **{str(path.parent.name): path.read_text("utf-8") for path in sorted((ROOT / "out").glob("*/lab.nsl"))},
    **{path.stem: path.read_text("utf-8").split("\n---\n")[0] + "\n" for path in sorted(CASES)},
}
PIECES = re.compile(r"\s+|\w+|.")


@cache
def lark() -> Lark:
    return module.read_by_lark(GRAMMAR)


class _ToSyntax(Transformer[Any, Any]):
    """What the automaton does as it reads, done to lark's tree."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        grammar = own_grammar()
        names = [builds for _, builds, _, _ in grammar.tables.rules]
        self.makers: dict[str, Any] = dict(zip(names, [maker for *_, maker in grammar.rules], strict=True))

    def __default__(self, data: str, children: list[Any], meta: Meta) -> Any:
        maker = self.makers[data]
        return tuple(children) if maker is tuple else maker(Span(self.source, meta.start_pos, meta.end_pos), *children)

    def __default_token__(self, token: Any) -> Word:
        return Word(str(token), Span(self.source, token.start_pos, token.end_pos))


def read_by_lark(source: Source) -> Any:
    """The statements, or where the first unexpected word begins."""
    text = source.text + "\n"
    try:
        return _ToSyntax(source).transform(lark().parse(text))
    except UnexpectedInput as error:
        at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        parser: Any = error.interactive_parser
        return len(text) if at_end else error.pos_in_stream, parser.accepts()


class _StoppedError(Exception):
    pass


def read_by_us(source: Source) -> Any:
    stopped: list[Any] = []

    def stop(automaton: Automaton, start: int) -> None:
        stopped.append((start, automaton.accepts()))
        raise _StoppedError

    try:
        return Automaton(own_grammar(), source, source.text + "\n", [own_grammar().tables.start]).run(stop)
    except _StoppedError:
        return stopped[0]


def numbered(tables: module.Tables) -> list[object]:
    """The tables with their states numbered as they are come upon; lark's own numbers differ from run to run."""
    numbers = {tables.start: 0}
    rows: list[object] = []
    queue = [tables.start]
    for state in queue:
        moves = sorted({**tables.actions[state], **tables.gotos[state]}.items())
        for _, to in moves:
            if to >= 0 and to not in numbers:
                numbers[to] = len(numbers)
                queue.append(to)
        row = [(symbol, numbers[to] if to >= 0 else tables.rules[~to]) for symbol, to in moves]
        rows.append([row, tables.symbols[state], tables.scanners[tables.scanner[state]], state == tables.end])
    return rows


def test_the_tables_in_use_are_those_of_the_grammar() -> None:
    assert numbered(module.tables()) == numbered(module.built(lark()))


@pytest.mark.parametrize("text", LABS.values(), ids=LABS.keys())
def test_a_lab_is_read_as_lark_reads_it(text: str) -> None:
    source = Source("lab.nsl", text)
    assert read_by_us(source) == read_by_lark(source)


@given(st.sampled_from(sorted(LABS.values())), st.data())
def test_a_lab_with_a_slip_in_it_is_unexpected_where_lark_finds_it(text: str, data: st.DataObject) -> None:
    pieces = PIECES.findall(text)
    place = data.draw(st.integers(0, len(pieces) - 1))
    other = data.draw(
        st.sampled_from([[], [pieces[place]] * 2, ["\n"], ["{"], ["}"], ["]"], ["$("], *map(list, zip(pieces)), ["é"]])
    )
    source = Source("lab.nsl", "".join([*pieces[:place], *other, *pieces[place + 1 :]]))
    assert read_by_us(source) == read_by_lark(source)
