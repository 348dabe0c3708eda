"""Variables: what `$NAME` and `$(…)` stand for, worked out in the text of each word.

A `let` may stand behind its use, as any declaration may, so its value is settled when it is first asked for.
"""

from __future__ import annotations

import ast
import operator
import re
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.source import Span
    from nscompile.syntax import Let, Word

# A sum beyond these was made by a program, or by a slip of the keyboard.
_LONGEST_SUM = 200  # characters
_LARGEST = 10**18

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# As SUM in grammar/nsl.lark; a `$` that begins neither matches alone.
_USE = re.compile(rf"\$(?:({_NAME})|\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\))?")
# In a string, whatever is no variable of the lab is the shell's.
_USE_IN_STRING = re.compile(rf"\\.|\$({_NAME})")

_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.Mod: operator.mod,
}


class _NoValueError(Exception):
    """A word has no value, and why has been reported."""


@dataclass(slots=True)
class Variables:
    """The variables of one block, and through `outer` those around it.

    `copy` tells which turn of the loops around it this is.
    """

    diagnostics: Diagnostics
    outer: Variables | None = None
    copy: tuple[str, ...] = ()
    values: dict[str, str | None] = field(default_factory=dict)
    lets: dict[str, Let] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def turn(self, variable: Word, value: str) -> Variables:
        """The variables of a loop's block in the turn in which `variable` has this value."""
        inner = Variables(self.diagnostics, self, (*self.copy, f"`{variable.text}` is {value}"))
        if inner._is_new(variable):
            inner.values[variable.text] = value
        return inner

    def declare(self, let: Let) -> None:
        if self._is_new(let.name):
            self.lets[let.name.text] = let

    def settle(self) -> None:
        """Work out what nobody has asked for, so that its mistakes are told as well."""
        for name in self.lets:
            self.value_of(name)

    def expanded(self, word: Word) -> str | None:
        """What a word says once its variables are put in; None, reported, where one has no value."""
        if "$" not in word.text:
            return word.text
        try:
            if word.is_string:
                return _USE_IN_STRING.sub(lambda use: self._in_string(use, word), word.text)
            return _USE.sub(lambda use: self._used(use, word), word.text)
        except _NoValueError:
            return None

    def _is_new(self, name: Word) -> bool:
        first = next((each.places[name.text] for each in self._outwards() if name.text in each.places), None)
        self.places.setdefault(name.text, name.span)
        if first is not None:
            message = f"there is a variable `{name.text}` already"
            also = ((first, "the first is here"),)
            self.diagnostics.add(Diagnostic("NSL022", message, name.span, also=also, help="choose another name"))
        return first is None

    def _outwards(self) -> Iterator[Variables]:
        each: Variables | None = self
        while each is not None:
            yield each
            each = each.outer

    def _home(self, name: str) -> Variables | None:
        return next((each for each in self._outwards() if name in each.places), None)

    def value_of(self, name: str) -> str | None:
        """The value of a variable of this block; None, reported, where its `let` has none."""
        let = self.lets.get(name)
        if name not in self.values and let is not None:
            if name in self.asked:
                message = f"`{name}` is made of itself"
                self.diagnostics.add(Diagnostic("NSL022", message, let.value.span, help="give it a value of its own"))
                return None
            self.asked.add(name)
            self.values[name] = self.expanded(let.value)
        return self.values.get(name)

    def _in_string(self, use: re.Match[str], word: Word) -> str:
        known = use[1] and self._home(use[1])
        return self._looked_up(use[1], word.part(use.start(), len(use[0]))) if known else use[0]

    def _used(self, use: re.Match[str], word: Word) -> str:
        span = word.part(use.start(), len(use[0]))
        if use[1]:
            return self._looked_up(use[1], span)
        if use[2] is None:
            what = "the parenthesis is not closed" if word.text[use.end() :].startswith("(") else "`$` stands alone"
            way_out = "write `$NAME`, or `$(…)` around a sum"
            self.diagnostics.add(Diagnostic("NSL020", what, span, help=way_out))
            raise _NoValueError
        return str(self._sum(use[2], span))

    def _looked_up(self, name: str, span: Span) -> str:
        home = self._home(name)
        if home is None:
            known = [each for block in self._outwards() for each in block.places]
            near = get_close_matches(name, known, 1)
            way_out = f"did you mean `${near[0]}`?" if near else f"declare it: `let {name} = …`"
            self.diagnostics.add(Diagnostic("NSL019", f"no variable is called `{name}`", span, help=way_out))
            raise _NoValueError
        value = home.value_of(name)
        if value is None:
            raise _NoValueError
        return value

    def _sum(self, text: str, span: Span) -> int:
        try:
            return self._worked_out(_parsed(text), span)
        except (SyntaxError, ValueError, RecursionError):
            self._no_sum(f"`{text.strip()}` is no sum" if text.strip() else "the sum is empty", span)

    def _worked_out(self, node: ast.expr, span: Span) -> int:
        match node:
            case ast.Constant(value=int(number)):
                return number
            case ast.Name(id=name) if name.startswith("_"):
                name = name[1:]
                value = self._looked_up(name, span)
                if not re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
                    self._no_sum(f"`${name}` is `{value}`, and that is no number", span)
                return int(value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._worked_out(operand, span)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
                first, second = self._worked_out(left, span), self._worked_out(right, span)
                if second == 0 and isinstance(sign, ast.Div | ast.Mod):
                    self._no_sum("the sum divides by zero", span)
                result: int = _OPERATORS[type(sign)](first, second)
                if abs(result) >= _LARGEST:
                    self._no_sum("the sum is larger than any number that a lab needs", span)
                return result
            case _:
                raise ValueError

    def _no_sum(self, message: str, span: Span) -> NoReturn:
        way_out = "a sum is made of whole numbers, variables, `+`, `-`, `*`, `/`, `%` and parentheses"
        self.diagnostics.add(Diagnostic("NSL020", message, span, help=way_out))
        raise _NoValueError


@cache
def _parsed(text: str) -> ast.expr:
    """Every name begins with `_` in the tree: `as` and `in` are Python's own words, and may be variables here."""
    if len(text) > _LONGEST_SUM:
        raise ValueError
    return ast.parse(re.sub(_NAME, r"_\g<0>", text).strip(), mode="eval").body
