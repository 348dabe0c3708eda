"""What every node of the syntax is made of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nscompile.records import dataclass

if TYPE_CHECKING:
    from nscompile.source import Span


@dataclass(frozen=True, slots=True)
class Word:
    """A name or value; `text` is what it says after the variables and ranges in it were expanded."""

    text: str
    span: Span

    @property
    def is_string(self) -> bool:
        return self.text.startswith('"')

    def unquoted(self) -> str:
        """What a string says; a backslash before anything but a quote or a backslash is a plain one."""
        return re.sub(r'\\(["\\])', r"\1", self.text[1:-1])

    def part(self, start: int, length: int) -> Span:
        """Where a piece of the text stands; the whole word where expansion has moved things."""
        return self.span.part(start, length) if self.span.end - self.span.start == len(self.text) else self.span


@dataclass(frozen=True, slots=True)
class Syntax:
    span: Span
