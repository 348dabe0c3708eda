"""Where a piece of a program stands: the coordinates that every later phase carries along.

A span is a pair of offsets; line and column are worked out only when somebody is told about them, so that a
program without a mistake never pays for them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A program's text, with every line ended by a line feed, and the path its reader knows it by."""

    path: str
    text: str

    def line(self, number: int) -> str:
        """Line `number`, counted from 1, without its line end."""
        return self.text.split("\n", number)[number - 1]


@dataclass(frozen=True, slots=True)
class Span:
    """The characters from offset `start` up to, not including, `end`."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """Counted in characters, from 1."""
        return self.start - self.source.text.rfind("\n", 0, self.start)

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def part(self, start: int, length: int) -> Span:
        return Span(self.source, self.start + start, self.start + start + length)
