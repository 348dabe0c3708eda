"""A lab's files put together: the statements of an included file stand where its `include` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.loading import load
from nscompile.parser import parse
from nscompile.records import dataclass, field
from nscompile.syntax import Include, Syntax

if TYPE_CHECKING:
    from nscompile.source import Source


@dataclass(frozen=True, slots=True)
class Program:
    """All the statements of a lab, its files in the order they were read, and the words that could not be read."""

    sources: tuple[Source, ...]
    statements: tuple[Syntax, ...]
    lost: frozenset[str]


@dataclass(slots=True)
class _Assembly:
    diagnostics: Diagnostics
    sources: list[Source] = field(default_factory=list)
    read: dict[Path, Include | None] = field(default_factory=dict)
    statements: list[Syntax] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)


def assemble(source: Source, diagnostics: Diagnostics) -> Program:
    """Parse a lab and every file that it includes."""
    assembly = _Assembly(diagnostics)
    assembly.read[Path(source.path).resolve()] = None
    _add(source, assembly)
    return Program(tuple(assembly.sources), tuple(assembly.statements), frozenset(assembly.lost))


def _add(source: Source, assembly: _Assembly) -> None:
    assembly.sources.append(source)
    parsed = parse(source, assembly.diagnostics)
    assembly.lost |= parsed.lost
    for statement in parsed.statements:
        if not isinstance(statement, Include):
            assembly.statements.append(statement)
        elif (included := _included(statement, assembly)) is not None:
            _add(included, assembly)


def _included(statement: Include, assembly: _Assembly) -> Source | None:
    """The file that is meant, beside the one that includes it; each is read once."""
    path = Path(statement.span.source.path).parent / statement.path.unquoted()
    span = statement.path.span
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        way_out = "a path is taken from the folder of the file that includes it"
        message = f"`{path}` cannot be read: {reason.lower()}"
        assembly.diagnostics.add(Diagnostic("NSL021", message, span, help=way_out))
        return None
    if path.resolve() in assembly.read:
        first = assembly.read[path.resolve()]
        also = ((first.path.span, "the first is here"),) if first else ()
        message = f"`{path}` is included twice" if first else f"`{path}` includes itself"
        assembly.diagnostics.add(Diagnostic("NSL021", message, span, also=also, help="leave this one out"))
        return None
    assembly.read[path.resolve()] = statement
    return load(str(path), data, assembly.diagnostics, len(assembly.sources))
