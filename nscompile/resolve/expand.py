"""Expansion: loops turned, variables put in, ranges spread; what comes out are plain statements.

An expansion can grow beyond all measure in three lines, so it is bounded, loops that yield nothing included.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nscompile import syntax
from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.records import dataclass, field, replace
from nscompile.resolve import ranges
from nscompile.resolve.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nscompile.source import Span
    from nscompile.syntax import For, Statement, Syntax


class _TooMuchError(Exception):
    """The lab expands beyond the bound, which has been reported."""


@dataclass(slots=True)
class Expansion:
    """The plain statements of a lab; `lost` are the words of those that could not be expanded."""

    diagnostics: Diagnostics
    statements: list[Statement] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    _left: int = ranges.MOST_STATEMENTS

    def block(self, statements: Iterable[Syntax], variables: Variables) -> None:
        for statement in statements:
            if isinstance(statement, syntax.Let):
                variables.declare(statement)
        variables.settle()
        for statement in statements:
            if isinstance(statement, syntax.For):
                for turn in self._turns(statement, variables):
                    self.block(statement.body, turn)
            elif not isinstance(statement, syntax.Let):
                self._statement(statement, variables)

    def _statement(self, statement: Any, variables: Variables) -> None:
        plain = self._filled(statement, variables) if variables.copy or _has_more(statement.span) else statement
        copies = ranges.copies(plain, self.diagnostics) if plain and "[" in statement.span.text else [plain]
        if not plain or not copies:
            self.lost |= {word.text for word in ranges.words(statement)}
            return
        self._spend(len(copies), statement.span)
        self.statements += copies

    def _turns(self, loop: For, variables: Variables) -> Iterator[Variables]:
        for value in self._values(loop, variables):
            self._spend(1, loop.variable.span)
            yield variables.turn(loop.variable, value)

    def _values(self, loop: For, variables: Variables) -> list[str]:
        """What a loop runs over; a range that a variable has made run backwards is empty."""
        found: list[str] = []
        for word in loop.values:
            text = variables.expanded(word)
            if text is None:
                return []
            items = text[1:-1].split(",") if text.startswith("[") and text.endswith("]") else [text]
            for item in items:
                values = ranges.item_values(item, may_be_empty="$" in word.text)
                if isinstance(values, ranges.Refusal):
                    way_out = values.way_out or "write a range such as `1..3` or a list such as `a, b, c`"
                    self.diagnostics.add(Diagnostic(values.code, values.message, word.span, help=way_out))
                    return []
                found += values
        return found

    def _filled(self, node: Any, variables: Variables) -> Any:
        """A copy of `node` with the variables put in and its loops turned; None where one has no value."""
        if isinstance(node, syntax.Word):
            text = variables.expanded(node)
            return None if text is None else syntax.Word(text, _copied(node.span, variables))
        if isinstance(node, tuple):
            items = [item for each in node for item in self._items(each, variables)]
            return None if None in items else tuple(items)
        if isinstance(node, syntax.Syntax):
            present = [(getattr(node, name), name) for name in ranges.children(node)]
            parts = [part if part is None else self._filled(part, variables) for part, _ in present]
            if any(part is None and was is not None for part, (was, _) in zip(parts, present, strict=True)):
                return None
            return type(node)(_copied(node.span, variables), *parts)
        return node

    def _items(self, node: Any, variables: Variables) -> Iterator[Any]:
        if isinstance(node, syntax.For):
            for turn in self._turns(node, variables):
                for clause in node.body:
                    yield from self._items(clause, turn)
        else:
            yield self._filled(node, variables)

    def _spend(self, count: int, span: Span) -> None:
        self._left -= count
        if self._left < 0:
            message = f"the lab expands to more than {ranges.MOST_STATEMENTS} statements"
            self.diagnostics.add(Diagnostic("NSL018", message, span, help="make a range or a loop smaller"))
            raise _TooMuchError


def expand(statements: Iterable[Syntax], diagnostics: Diagnostics) -> Expansion:
    expansion = Expansion(diagnostics)
    with suppress(_TooMuchError):
        expansion.block(statements, Variables(diagnostics))
    return expansion


def _has_more(span: Span) -> bool:
    """Whether a statement may hold a variable or a loop; most do not, and need no copy."""
    return "$" in span.text or "for" in span.text


def _copied(span: Span, variables: Variables) -> Span:
    return replace(span, copy=variables.copy) if variables.copy else span
