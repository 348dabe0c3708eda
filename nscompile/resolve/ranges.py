"""Bracket ranges: one statement with `[1..3]` in it becomes three.

All the ranges of a statement advance together, as in `node ns[1..3] ip 192.0.2.[1..3]/24 on br0`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from nscompile import syntax
from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.records import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.source import Span
    from nscompile.syntax import Statement, Word

# A lab beyond this is a slip of the keyboard, and would be more namespaces than Linux bears.
MOST_STATEMENTS = 100_000
_MOST_DIGITS = 18
_LONGEST_TOLD = 40  # characters

_BRACKET = re.compile(r"\[([^\]]*)(\]?)")
_NUMBERS = re.compile(r"(-?\d+)\.\.(-?\d+)")
_LITERAL = re.compile(r"[A-Za-z0-9_.:-]+")
_MEANT_AS_RANGE = re.compile(r"(\d+)(?:-|\.{3,}|:)(\d+)")


def copies(statement: Statement, diagnostics: Diagnostics) -> list[Statement]:
    """The statements that one with ranges stands for; a mistake in them is reported, and there are none."""
    spread = {word.span: word for word in words(statement) if "[" in word.text}
    if not spread:
        return [statement]
    values: dict[Span, list[str]] = {}
    for span, word in spread.items():
        expanded = _values(word, diagnostics)
        if expanded is None:
            return []
        values[span] = expanded
    first, *others = spread.values()
    count = len(values[first.span])
    for other in others:
        if len(values[other.span]) != count:
            diagnostics.add(
                Diagnostic(
                    "NSL017",
                    "the ranges of one statement differ in length",
                    other.span,
                    label=_counted(len(values[other.span])),
                    also=((first.span, _counted(count)),),
                )
            )
            return []
    if count > 1 and (name := _subject(statement)) is not None and name.span not in spread:
        diagnostics.add(
            Diagnostic(
                "NSL017",
                f"the range makes {count} statements, all of them about `{name.text}`",
                first.span,
                label=f"{count} values",
                also=((name.span, "no range here"),),
                help="put a range into the name as well, or write the values one by one",
            )
        )
        return []
    return [_Copy(values, first, index).of(statement) for index in range(count)]


def _counted(count: int) -> str:
    return f"{count} value{'s' if count != 1 else ''}"


def _subject(statement: Statement) -> Word | None:
    """What a statement is about, where no two may be about the same."""
    match statement:
        case syntax.Lab() | syntax.Bridge() | syntax.Node():
            return statement.name
        case syntax.Uplink():
            return statement.bridge
        case _:
            return None


def words(node: Any) -> Iterator[Word]:
    """Every word below a node, in source order, but for strings: brackets are a shell's there."""
    if isinstance(node, syntax.Word):
        if not node.is_string:
            yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from words(item)
    elif isinstance(node, syntax.Syntax):
        for name in children(node):
            yield from words(getattr(node, name))


class _Copy:
    """A copy of a statement, in which every word with a range has its value number `index`."""

    def __init__(self, values: dict[Span, list[str]], first: Word, index: int) -> None:
        self._values = values
        self._index = index
        self._told = (f"`{_short(first.text)}` is `{_short(values[first.span][index])}`",)

    def of(self, node: Any) -> Any:
        if isinstance(node, syntax.Word):
            values = self._values.get(node.span)
            return syntax.Word(node.text if values is None else values[self._index], self._span(node.span))
        if isinstance(node, tuple):
            return tuple(self.of(item) for item in node)
        if isinstance(node, syntax.Syntax):
            return type(node)(self._span(node.span), *(self.of(getattr(node, name)) for name in children(node)))
        return node

    def _span(self, span: Span) -> Span:
        return replace(span, copy=(*span.copy, *self._told))


def _short(text: str) -> str:
    """A word for a message; a hostile one of a megabyte would else be kept once for each copy."""
    return text if len(text) <= _LONGEST_TOLD else f"{text[:_LONGEST_TOLD]}…"


def children(node: syntax.Syntax) -> tuple[str, ...]:
    """The names of a node's fields, but for its span."""
    names: tuple[str, ...] = node.__match_args__
    return names[1:]


def _values(word: Word, diagnostics: Diagnostics) -> list[str] | None:
    """What a word with ranges stands for; several ranges in one word advance together as well."""
    pieces: list[list[str]] = []
    for bracket in _BRACKET.finditer(word.text):
        items = _items(word, bracket, diagnostics)
        if items is None:
            return None
        pieces.append(items)
    count = len(pieces[0])
    if any(len(piece) != count for piece in pieces):
        lengths = " and ".join(str(len(piece)) for piece in pieces)
        diagnostics.add(
            Diagnostic("NSL017", "the ranges of one word differ in length", word.span, label=f"{lengths} values")
        )
        return None
    fixed = _BRACKET.split(word.text)[::3]
    return [
        fixed[0] + "".join(piece[index] + rest for piece, rest in zip(pieces, fixed[1:], strict=True))
        for index in range(count)
    ]


def _items(word: Word, bracket: re.Match[str], diagnostics: Diagnostics) -> list[str] | None:
    span = word.part(bracket.start(), len(bracket[0]))
    if not bracket[2]:
        way_out = "write a range such as `[1..3]`, without spaces"
        diagnostics.add(Diagnostic("NSL016", "the bracket is not closed", span, help=way_out))
        return None
    items: list[str] = []
    for item in bracket[1].split(","):
        values = item_values(item)
        if isinstance(values, Refusal):
            way_out = values.way_out or "write a range such as `[1..3]` or a list such as `[a,b,c]`"
            diagnostics.add(Diagnostic(values.code, values.message, span, help=way_out))
            return None
        items += values
    return items


class Refusal(NamedTuple):
    """Why an item cannot be read; without a way out it is neither a range nor a list."""

    code: str
    message: str
    way_out: str | None = None


def item_values(item: str, *, may_be_empty: bool = False) -> list[str] | Refusal:
    """What one item of a bracket or a loop stands for: the numbers of a range, or itself."""
    numbers = _NUMBERS.fullmatch(item)
    meant = _MEANT_AS_RANGE.fullmatch(item)
    if numbers:
        return _range(numbers[1], numbers[2], may_be_empty=may_be_empty)
    if meant:
        return Refusal("NSL016", f"`{item}` is no range", f"write `{meant[1]}..{meant[2]}`")
    if ".." in item:
        return Refusal("NSL016", f"`{item}` is no range", "a range goes from one whole number to another")
    if _LITERAL.fullmatch(item):
        return [item]
    message = f"`{item}` is neither a range nor a name" if item else "there is an empty place in the list"
    return Refusal("NSL016", message)


def _range(first: str, last: str, *, may_be_empty: bool) -> list[str] | Refusal:
    """The numbers from `first` to `last`, padded with zeros where `first` is."""
    if max(len(first), len(last)) > _MOST_DIGITS or int(last) - int(first) >= MOST_STATEMENTS:
        message = f"the range `{first}..{last}` has more than {MOST_STATEMENTS} values"
        return Refusal("NSL018", message, "make the range smaller")
    if int(last) < int(first) and not may_be_empty:
        return Refusal("NSL016", f"the range `{first}..{last}` runs backwards", f"write `{last}..{first}`")
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}}" for number in range(int(first), int(last) + 1)]
