"""Bytes to source: what can be wrong with a file before anything in it is read."""

from __future__ import annotations

from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.source import Source, Span


def load(path: str, data: bytes, diagnostics: Diagnostics, order: int = 0) -> Source | None:
    """The text of a file that its reader knows as `path`, the one number `order` of its lab, counted from 0.

    A byte order mark and CR LF line ends are fine.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"the file is not UTF-8: byte 0x{data[error.start]:02x} on line {line}"
        diagnostics.add(about_file(path, "NSL002", message))
        return None
    return Source(path, text.replace("\r\n", "\n"), order)


def unreadable(path: str, error: OSError) -> Diagnostic:
    return about_file(path, "NSL001", (error.strerror or str(error)).lower())


def about_file(path: str, code: str, message: str) -> Diagnostic:
    """A diagnostic about a file as a whole, which has no line to show."""
    return Diagnostic(code, message, Span(Source(path, ""), 0, 0))
