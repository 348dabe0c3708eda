"""What interfaces do to the packets that they send: netem, or tbf where nothing but the rate is asked for.

Values go to tc in the lab's own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.lower.dispatch import within
from nscompile.model import Impairment
from nscompile.plan import Need, Phase, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Interface, Quantity, Topology
    from nscompile.plan import Command

_TRIAL = ("tc", "qdisc", "add", "dev", "lo", "root")
_NETEM = Need("netem, which delays and loses packets", (*_TRIAL, "netem", "delay", "1ms"))
_TBF = Need("tbf, which limits rates", (*_TRIAL, "tbf", "rate", "1mbit", "burst", "3000", "latency", "50ms"))

# Packets that netem lets wait where it is not told: NETEM_DEFAULT_LIMIT, in tc and in the kernel alike.
_NETEM_LIMIT = 1000
_MOST = 2**32 - 1

# A kernel that looks at its clock so often in a second needs a burst of what is sent between two looks (tc-tbf(8)).
_LOOKS = 250


def impairment_steps(topology: Topology) -> Iterator[Step]:
    for interface in topology.interfaces():
        impairment = interface.impairment
        if impairment is None:
            continue
        if impairment.rate is not None and impairment == Impairment(rate=impairment.rate):
            yield _tbf(interface, impairment.rate)
        else:
            yield _netem(interface, impairment)


def _netem(interface: Interface, impairment: Impairment) -> Step:
    why = "netem stands in for a real cable: what an interface sends comes late, or not at all, or damaged"
    limit = _limit(impairment, interface.largest)
    if limit and impairment.limit is None:
        why += f"; more are under way than the {_NETEM_LIMIT} packets that it holds if it is not told"
    command = _command(interface, "netem", *_options(impairment), *limit)
    return Step(Phase.IMPAIRMENTS, command, why, interface.span, need=_NETEM)


def _options(impairment: Impairment) -> Iterator[str]:
    if impairment.delay is not None:
        yield from ("delay", impairment.delay.text)
        if impairment.jitter is not None:
            yield impairment.jitter.text
    for name in ("loss", "duplicate", "reorder", "corrupt", "rate"):
        quantity: Quantity | None = getattr(impairment, name)
        if quantity is not None:
            yield from (name, quantity.text)


def _limit(impairment: Impairment, mtu: int) -> Command:
    """What the lab says, or else room for the packets under way and as many that wait, where that is a lot."""
    needed = impairment.limit.value if impairment.limit else min(2 * impairment.under_way(mtu), _MOST)
    return ("limit", str(needed)) if impairment.limit or needed > _NETEM_LIMIT else ()


def _tbf(interface: Interface, rate: Quantity) -> Step:
    """The burst also holds two packets of full size, since tbf drops what is larger than its bucket."""
    burst = max(int(rate.amount / 8 / _LOOKS), 2 * interface.largest)
    why = "tbf sends no faster than the rate: a burst of so many bytes goes at once, what would wait longer is dropped"
    command = _command(interface, "tbf", "rate", rate.text, "burst", str(burst), "latency", "50ms")
    return Step(Phase.RATES, command, why, interface.span, need=_TBF)


def _command(interface: Interface, *discipline: str) -> Command:
    return within(interface.namespace, "tc", "qdisc", "add", "dev", interface.name, "root", *discipline)
