"""What is wrong with a lab, as data: phases collect it here, `report.py` alone draws it.

Nothing raises on a mistake in a lab, so that one run reports all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

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
    """Collects what the phases find; each mistake once, however many phases come upon it."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, int, int], Diagnostic] = {}

    def add(self, diagnostic: Diagnostic) -> None:
        span = diagnostic.span
        self._found.setdefault((diagnostic.code, diagnostic.message, span.start, span.end), diagnostic)

    def in_source_order(self) -> list[Diagnostic]:
        return sorted(self._found.values(), key=lambda found: (found.span.start, found.code))

    @property
    def has_errors(self) -> bool:
        return any(found.severity is Severity.ERROR for found in self._found.values())
