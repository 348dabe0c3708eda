"""Impairments: what an interface does to the packets that it sends, in whichever statement that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from nscompile import syntax
from nscompile.model import Given, Impairment
from nscompile.resolve import values
from nscompile.resolve.quantities import DELAY, JITTER, RATE, SHARE, quantity
from nscompile.resolve.scope import only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nscompile.diagnostics import Diagnostics
    from nscompile.resolve.quantities import Measure

_Measured: TypeAlias = (
    syntax.Delay | syntax.Jitter | syntax.Loss | syntax.Duplicate | syntax.Reorder | syntax.Corrupt | syntax.Rate
)
_MEASURES: dict[type[_Measured], Measure] = {
    syntax.Delay: DELAY,
    syntax.Jitter: JITTER,
    syntax.Loss: SHARE,
    syntax.Duplicate: SHARE,
    syntax.Reorder: SHARE,
    syntax.Corrupt: SHARE,
    syntax.Rate: RATE,
}
_PACKETS = range(1, 2**32)


def impairment(clauses: Sequence[syntax.Syntax], diagnostics: Diagnostics) -> Impairment | None:
    """The impairment that the clauses ask for: None where they ask for none, or for one that cannot be read."""
    given = {kind: only(kind, clauses, diagnostics) for kind in _MEASURES}
    limit = only(syntax.Limit, clauses, diagnostics)
    asked = {kind: clause.value for kind, clause in given.items() if clause is not None}
    read = {kind: quantity(word, _MEASURES[kind], diagnostics) for kind, word in asked.items()}
    most = values.number(limit.value, "number of packets", _PACKETS, diagnostics, "NSL502") if limit else None
    if None in read.values() or (limit is not None and most is None) or not (read or limit):
        return None
    return Impairment(
        delay=read.get(syntax.Delay),
        jitter=read.get(syntax.Jitter),
        loss=read.get(syntax.Loss),
        duplicate=read.get(syntax.Duplicate),
        reorder=read.get(syntax.Reorder),
        corrupt=read.get(syntax.Corrupt),
        rate=read.get(syntax.Rate),
        limit=Given(most, limit.value.span) if limit and most else None,
    )
