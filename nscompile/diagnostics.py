"""What is wrong with a lab, as data: phases collect it here, `report.py` alone draws it.

Nothing raises on a mistake in a lab, so that one run reports all of them.
"""

from __future__ import annotations

from collections import defaultdict
from enum import Enum
from typing import TYPE_CHECKING

from nscompile.records import dataclass, replace

if TYPE_CHECKING:
    from nscompile.source import Span


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: `span` is the smallest guilty piece, `also` the other place where two disagree.

    Texts follow one form: lowercase, names in backticks, no final period. `label` stands beside the caret,
    `help` is a way out, `notes` are facts.
    """

    code: str
    message: str
    span: Span
    label: str = ""
    also: tuple[tuple[Span, str], ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None
    severity: Severity = Severity.ERROR


class Diagnostics:
    """Collects what the phases find; each mistake once, however many phases or copies of a line come upon it."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, Span], Diagnostic] = {}
        self._copies: defaultdict[tuple[str, str, Span], set[tuple[str, ...]]] = defaultdict(set)

    def add(self, diagnostic: Diagnostic) -> None:
        span = diagnostic.span
        key = (diagnostic.code, "" if span.copy else diagnostic.message, span)
        self._found.setdefault(key, diagnostic)
        self._copies[key].add(span.copy)

    def in_source_order(self) -> list[Diagnostic]:
        return sorted((self._told(key, found) for key, found in self._found.items()), key=_place)

    def _told(self, key: tuple[str, str, Span], found: Diagnostic) -> Diagnostic:
        others = len(self._copies[key]) - 1
        return (
            replace(found, notes=(*found.notes, f"and likewise in {others} more {'copy' if others == 1 else 'copies'}"))
            if others
            else found
        )

    @property
    def has_errors(self) -> bool:
        return any(found.severity is Severity.ERROR for found in self._found.values())


def _place(found: Diagnostic) -> tuple[int, int, str]:
    return found.span.source.order, found.span.start, found.code
