"""Impairments: what netem refuses, and what it takes and then does otherwise than was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Impairment, Interface, Topology
    from nscompile.source import Span


def _impaired(topology: Topology) -> Iterator[tuple[Interface, Impairment]]:
    for interface in topology.interfaces():
        if interface.impairment is not None:
            yield interface, interface.impairment


def nothing_is_missing(topology: Topology) -> Iterator[Diagnostic]:
    add_a_delay = "add a delay: `delay 10ms`, say"
    for _, impairment in _impaired(topology):
        delay, rate = impairment.delay, impairment.rate
        if impairment.jitter is not None and delay is None:
            yield _missing("`jitter` without `delay`", impairment.jitter.span, "it varies a delay", add_a_delay)
        if impairment.reorder is not None and (delay is None or delay.amount == 0):
            meaning = "it lets packets overtake those that are delayed"
            yield _missing("`reorder` without a delay", impairment.reorder.span, meaning, add_a_delay)
        if impairment.limit is not None and delay is None and rate is None:
            way_out = "leave it out, or say what the packets wait for"
            yield _missing("`limit` without `delay` or `rate`", impairment.limit.span, "no packet waits here", way_out)


def _missing(message: str, span: Span, label: str, way_out: str) -> Diagnostic:
    return Diagnostic("NSL503", message, span, label=label, help=way_out)


def jitter_within_delay(topology: Topology) -> Iterator[Diagnostic]:
    """Netem draws from delay less jitter to delay plus jitter, and cannot send a packet before it has come."""
    for _, impairment in _impaired(topology):
        delay, jitter = impairment.delay, impairment.jitter
        if delay is not None and jitter is not None and jitter.amount > delay.amount:
            yield Diagnostic(
                "NSL504",
                f"the jitter of {jitter.text} is larger than the delay of {delay.text}",
                jitter.span,
                also=((delay.span, "the delay is here"),),
                notes=("what would have to leave before it came is not delayed at all",),
                help=f"keep the jitter within `{delay.text}`, or make the delay longer",
                severity=Severity.WARNING,
            )


def limit_holds_what_is_under_way(topology: Topology) -> Iterator[Diagnostic]:
    for interface, impairment in _impaired(topology):
        delay, rate, limit = impairment.delay, impairment.rate, impairment.limit
        packets = impairment.under_way(interface.largest)
        if delay is not None and rate is not None and limit is not None and limit.value < packets:
            yield Diagnostic(
                "NSL505",
                f"the limit of {limit.value} packets keeps the rate below {rate.text}",
                limit.span,
                also=((delay.span, f"{packets} packets of full size are under way at once"),),
                help=f"make it `{2 * packets}`, which leaves room for as many to wait, or leave it out",
                severity=Severity.WARNING,
            )
