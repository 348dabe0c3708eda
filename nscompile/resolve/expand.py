"""Bracket ranges: one statement with `[1..3]` in it becomes three.

All the ranges of a statement advance together, as in `node ns[1..3] ip 192.0.2.[1..3]/24 on br0`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from nscompile import syntax
from nscompile.diagnostics import Diagnostic, Diagnostics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.parser import Program
    from nscompile.syntax import Statement, Word

# A lab beyond this is a slip of the keyboard, and would be more namespaces than Linux bears.
MOST_STATEMENTS = 100_000
_MOST_DIGITS = 18

_BRACKET = re.compile(r"\[([^\]]*)(\]?)")
_NUMBERS = re.compile(r"(\d+)\.\.(\d+)")
_LITERAL = re.compile(r"[A-Za-z0-9_.:-]+")
_MEANT_AS_RANGE = re.compile(r"(\d+)(?:-|\.{3,}|:)(\d+)")


def expand(program: Program, diagnostics: Diagnostics) -> list[Statement]:
    statements: list[Statement] = []
    for statement in program.statements:
        copies = _copies(statement, diagnostics) if "[" in statement.span.text else [statement]
        if len(statements) + len(copies) > MOST_STATEMENTS:
            message = f"the ranges of this lab make more than {MOST_STATEMENTS} statements"
            diagnostics.add(Diagnostic("NSL018", message, statement.span, help="make a range smaller"))
            break
        statements += copies
    return statements


def _copies(statement: Statement, diagnostics: Diagnostics) -> list[Statement]:
    words = {word.span: word for word in _words(statement) if "[" in word.text}
    if not words:
        return [statement]
    values: dict[object, list[str]] = {}
    for span, word in words.items():
        expanded = _values(word, diagnostics)
        if expanded is None:
            return []
        values[span] = expanded
    first, *others = words.values()
    count = len(values[first.span])
    for other in others:
        if len(values[other.span]) != count:
            diagnostics.add(
                Diagnostic(
                    "NSL017",
                    "the ranges of one statement differ in length",
                    other.span,
                    label=f"{len(values[other.span])} values",
                    also=((first.span, f"{count} values"),),
                )
            )
            return []
    if count > 1 and not isinstance(statement, (syntax.Link, syntax.Publish, syntax.Policy)):
        name = statement.bridge if isinstance(statement, syntax.Uplink) else statement.name
        if name.span not in words:
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
    return [_at(statement, values, index) for index in range(count)]


def _words(node: Any) -> Iterator[Word]:
    """Every word below a node, in source order."""
    if isinstance(node, syntax.Word):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from _words(item)
    elif isinstance(node, syntax.Syntax):
        for name in _children(node):
            yield from _words(getattr(node, name))


def _at(node: Any, values: dict[object, list[str]], index: int) -> Any:
    """A copy of `node` in which every word with a range has its value number `index`."""
    if isinstance(node, syntax.Word):
        return syntax.Word(values[node.span][index], node.span) if node.span in values else node
    if isinstance(node, tuple):
        return tuple(_at(item, values, index) for item in node)
    if isinstance(node, syntax.Syntax):
        return type(node)(node.span, *(_at(getattr(node, name), values, index) for name in _children(node)))
    return node


def _children(node: syntax.Syntax) -> tuple[str, ...]:
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
        values = _item(item)
        if isinstance(values, _Refusal):
            diagnostics.add(Diagnostic(values.code, values.message, span, help=values.way_out))
            return None
        items += values
    return items


class _Refusal(NamedTuple):
    code: str
    message: str
    way_out: str


def _item(item: str) -> list[str] | _Refusal:
    """What one item of a bracket stands for: the numbers of a range, or itself."""
    numbers = _NUMBERS.fullmatch(item)
    meant = _MEANT_AS_RANGE.fullmatch(item)
    if numbers:
        return _range(numbers[1], numbers[2])
    if meant:
        return _Refusal("NSL016", f"`{item}` is no range", f"write `{meant[1]}..{meant[2]}`")
    if _LITERAL.fullmatch(item):
        return [item]
    message = f"`{item}` is neither a range nor a name" if item else "the bracket has an empty place"
    return _Refusal("NSL016", message, "write a range such as `[1..3]` or a list such as `[a,b,c]`")


def _range(first: str, last: str) -> list[str] | _Refusal:
    """The numbers from `first` to `last`, padded with zeros where `first` is."""
    if max(len(first), len(last)) > _MOST_DIGITS or int(last) - int(first) >= MOST_STATEMENTS:
        message = f"the range `{first}..{last}` has more than {MOST_STATEMENTS} values"
        return _Refusal("NSL018", message, "make the range smaller")
    if int(last) < int(first):
        return _Refusal("NSL016", f"the range `{first}..{last}` runs backwards", f"write `{last}..{first}`")
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}}" for number in range(int(first), int(last) + 1)]
