"""Runs the tables of the grammar over a text.

The state that it is in tells which words can come next, and each rule builds its node of the syntax when it is whole.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from nscompile.records import dataclass, field
from nscompile.source import Source, Span
from nscompile.syntax import Word
from nscompile.tables import Tables, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DONE = -1


class Grammar:
    """The tables with what the rules build; `classes` has the node of each rule by the rule's name."""

    def __init__(self, classes: dict[str, type]) -> None:
        found = tables()
        self.tables: Tables = found
        self.scanners = [found.scanners[number] for number in found.scanner]
        self.rules = [(name, size, parts, _maker(builds, classes)) for name, builds, size, parts in found.rules]


def _maker(rule: str, classes: dict[str, type]) -> type | None:
    """The class of what a rule builds; None where the parts stand for it."""
    if rule == "start" or rule.endswith(("_clauses", "_words", "_body")):
        return tuple
    return None if rule.startswith("_") else classes[rule]


# Most labs need a few of the eighty.
_compiled = cache(re.compile)


@dataclass(slots=True)
class Automaton:
    """One run: a stack of states, and of each symbol on it the value and where it begins.

    `position` is how far the text is read, `end` where the last word ended.
    """

    grammar: Grammar
    source: Source
    text: str
    states: list[int]
    values: list[Any] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    position: int = 0
    end: int = 0

    def run(self, on_error: Callable[[Automaton, int], None]) -> Any:
        """The value of the whole text; None where even recovery finds no end to it.

        `on_error` is called with the offset of a word that cannot stand where it does, the text's length where the
        text cannot end yet, and must leave the automaton where it can go on.
        """
        stopped_at_end = False
        while (start := self._advance()) != DONE:
            if stopped_at_end and start == len(self.text):
                return None
            stopped_at_end = start == len(self.text)
            on_error(self, start)
        return self.values[-1]

    def accepts(self) -> set[str]:
        """The terminals that could come next."""
        return {terminal for terminal in self.grammar.tables.actions[self.states[-1]] if self._takes(terminal)}

    def _takes(self, terminal: str) -> bool:
        tables, states = self.grammar.tables, self.states.copy()
        while (action := tables.actions[states[-1]].get(terminal)) is not None and action < 0:
            name, _, size, _ = tables.rules[~action]
            del states[len(states) - size :]
            states.append(tables.gotos[states[-1]][name])
        return action is not None or states[-1] == tables.end

    def _advance(self) -> int:
        """Read on, to the end or to a word that cannot stand where it does, and tell where that begins."""
        scanners, tables, text, states = self.grammar.scanners, self.grammar.tables, self.text, self.states
        actions, ignored = tables.actions, tables.ignored
        while True:
            start = self.position
            found = _compiled(scanners[states[-1]]).match(text, start)
            if found is not None:
                terminal = found.lastgroup or ""
                self.position = found.end()
                if terminal in ignored:
                    continue
            elif start == len(text):
                terminal = "$END"
            else:
                return start
            while (action := actions[states[-1]].get(terminal)) is not None and action < 0:
                self._reduce(~action, start)
            if action is None:
                return DONE if states[-1] == tables.end else start
            self.end = self.position
            states.append(action)
            self.starts.append(start)
            self.values.append(
                None if terminal.startswith("_") else Word(text[start : self.end], Span(self.source, start, self.end))
            )

    def _reduce(self, rule: int, following: int) -> None:
        """Put what a rule builds in the place of what it is made of; `following` is where the next word begins."""
        name, size, parts, maker = self.grammar.rules[rule]
        bottom = len(self.states) - size
        start = self.starts[bottom - 1] if size else following
        found = _parts(self.values[bottom - 1 :], parts)
        del self.states[bottom:], self.values[bottom - 1 :], self.starts[bottom - 1 :]
        self.states.append(self.grammar.tables.gotos[self.states[-1]][name])
        self.starts.append(start)
        if maker is None:
            self.values.append(found)
        elif maker is tuple:
            self.values.append(tuple(found))
        else:
            self.values.append(maker(Span(self.source, start, self.end), *found))


def _parts(values: list[Any], parts: Sequence[int | None]) -> list[Any]:
    found: list[Any] = []
    for part in parts:
        if part is None:
            found.append(None)
        elif part >= 0:
            found.append(values[part])
        elif found:
            found += values[~part]
        else:
            found = values[~part]  # not copied, since a list of statements grows by one at a time
    return found
