"""Draws diagnostics: as text with carets for people, as JSON for programs.

The excerpt is the source's own text, so whatever a terminal might obey (escape sequences, marks that turn the
writing direction) is shown as a replacement character.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nscompile.diagnostics import Diagnostic
    from nscompile.source import Span

# A caret line longer than this helps nobody; the excerpt is cut around the span instead.
WIDEST_EXCERPT = 160


def as_text(diagnostics: Iterable[Diagnostic]) -> str:
    return "\n".join(_drawn(diagnostic) for diagnostic in diagnostics)


def as_json(diagnostics: Iterable[Diagnostic]) -> str:
    """An array of objects; lines and columns count from 1, `end` is the column after the last character."""
    return json.dumps([_plain(diagnostic) for diagnostic in diagnostics], indent=2, ensure_ascii=False) + "\n"


def _plain(diagnostic: Diagnostic) -> dict[str, object]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        **_place(diagnostic.span, diagnostic.label),
        "also": [_place(span, label) for span, label in diagnostic.also],
        "notes": _notes(diagnostic),
        "help": diagnostic.help,
    }


def _notes(diagnostic: Diagnostic) -> list[str]:
    """The facts, after what tells the copy from its like where the line stands for several."""
    copy = diagnostic.span.copy
    return [*([f"where {', '.join(copy)}"] if copy else []), *diagnostic.notes]


def _place(span: Span, label: str) -> dict[str, object]:
    width = span.end - span.start
    return {
        "file": span.source.path,
        "line": span.line,
        "column": span.column,
        "end": span.column + width,
        "label": label,
    }


def _drawn(diagnostic: Diagnostic) -> str:
    head = f"{diagnostic.severity.value}[{diagnostic.code}]: {_shown(diagnostic.message)}"
    span = diagnostic.span
    if not span.source.text:
        return f"{span.source.path}: {head}\n"
    marks = sorted(
        [(span, "^", diagnostic.label), *((other, "-", label) for other, label in diagnostic.also)],
        key=lambda mark: (mark[0].source is not span.source, mark[0].source.order, mark[0].start),
    )
    margin = max(len(str(place.line)) for place, _, _ in marks) + 1
    lines = [f"{span.source.path}:{span.line}:{span.column}: {head}", f"{'':{margin}} |"]
    source, drawn_line = span.source, 0
    for place, sign, label in marks:
        if place.source is not source:
            source, drawn_line = place.source, 0
            lines.append(f"{'':{margin}}::: {source.path}:{place.line}:{place.column}")
        lines += _excerpt(place, sign, label, margin, with_line=place.line != drawn_line)
        drawn_line = place.line
    lines += [f"{'':{margin}} = note: {_shown(note)}" for note in _notes(diagnostic)]
    if diagnostic.help is not None:
        lines.append(f"{'':{margin}} = help: {_shown(diagnostic.help)}")
    return "\n".join(lines) + "\n"


def _excerpt(span: Span, sign: str, label: str, margin: int, *, with_line: bool) -> list[str]:
    text = span.source.line(span.line)
    start = span.column - 1
    end = min(max(start + span.end - span.start, start + 1), max(len(text), start + 1))
    cut = max(0, start - WIDEST_EXCERPT // 2)
    shown = _shown(text[cut : cut + WIDEST_EXCERPT])
    before = _columns(_shown(text[cut:start]))
    under = max(1, min(_columns(_shown(text[start:end])), WIDEST_EXCERPT - before))
    caret = f"{'':{margin}} | {'':{before}}{sign * under} {_shown(label)}".rstrip()
    return [f"{span.line:{margin}} | {shown}".rstrip(), caret] if with_line else [caret]


def _shown(text: str) -> str:
    return "".join(
        char if char.isprintable() else " " if char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def _columns(text: str) -> int:
    """The columns that `text` takes on a terminal, where East Asian wide characters take two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
