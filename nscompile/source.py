"""Where a piece of a program stands: the coordinates that every later phase carries along.

A span is a pair of offsets; line and column are worked out only when somebody is told about them, so that a
program without a mistake never pays for them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

from nscompile.records import dataclass, field


@dataclass(frozen=True, eq=False)
class Source:
    """A program's text, every line ended by a line feed, and the path its reader knows it by.

    `order` is its place among the files of a lab.
    """

    path: str
    text: str
    order: int = 0

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(end.end() for end in re.finditer("\n", self.text))]

    def line_number(self, offset: int) -> int:
        """The line, counted from 1, that the character at `offset` is on."""
        return bisect_right(self._line_starts, offset)

    def line(self, number: int) -> str:
        """Line `number`, counted from 1, without its line end."""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start:] if end < 0 else self.text[start:end]


@dataclass(frozen=True, slots=True)
class Span:
    """The characters from offset `start` up to, not including, `end`.

    `copy` tells which of its copies is meant where the text stands for several: the values of the loops around it.
    """

    source: Source
    start: int
    end: int
    copy: tuple[str, ...] = field(default=(), compare=False)

    @property
    def line(self) -> int:
        return self.source.line_number(self.start)

    @property
    def column(self) -> int:
        """Counted in characters, from 1."""
        return self.start - self.source.text.rfind("\n", 0, self.start)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def part(self, start: int, length: int) -> Span:
        return Span(self.source, self.start + start, self.start + start + length, self.copy)
