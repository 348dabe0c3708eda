"""Numbers with a unit: times, shares of the packets, rates. The lab's own words are kept, since tc reads them as well.

The bounds are tc's and netem's, beyond which they refuse a value, or take it and do something else.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.model import Quantity
from nscompile.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nscompile.syntax import Word

_NUMBER = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Measure:
    """A kind of quantity: its units, from `least` to `most`, and with `grain` in steps of that.

    `usual` is the unit meant where there is none, `meant` what others are likely to stand for. `fits` says in words
    which quantities there are.
    """

    what: str
    of: str
    units: Mapping[str, Fraction]
    usual: str
    meant: Mapping[str, str]
    least: Fraction
    most: Fraction
    fits: str
    grain: Fraction | None = None

    def has(self, amount: Fraction) -> bool:
        return self.least <= amount <= self.most and (self.grain is None or amount % self.grain == 0)


_MICROSECOND = Fraction(1, 10**6)
_TIMES = {"us": _MICROSECOND, "ms": Fraction(1, 1000), "s": Fraction(1)}
_RATES = {"bit": Fraction(1), "kbit": Fraction(10**3), "mbit": Fraction(10**6), "gbit": Fraction(10**9)}
_MEANT_TIMES = {
    "us": r"(u|\N{MICRO SIGN}|\N{GREEK SMALL LETTER MU}|micro)s(ec(ond)?s?)?",
    "ms": r"(m|milli)s(ec(ond)?s?)?",
    "s": r"s(ec(ond)?s?)?",
}
_MEANT_RATES = {f"{prefix}bit": rf"{prefix}(i?b(its?)?)?(ps|/s)?" for prefix in "kmg"} | {"bit": r"b(its?)?(ps|/s)?"}

# tc reads a time in whole microseconds into 32 bits of 64 ns each, and a share into 2^32 parts; netem cuts a jitter off
# at 2^31 ns.
DELAY = Measure(
    "delay", "time", _TIMES, "ms", _MEANT_TIMES,
    Fraction(0), Fraction(274), "it is a whole number of microseconds, `274s` at most", _MICROSECOND,
)  # fmt: skip
JITTER = Measure(
    "jitter", "time", _TIMES, "ms", _MEANT_TIMES,
    Fraction(0), Fraction(2147, 1000), "it is a whole number of microseconds, `2147ms` at most", _MICROSECOND,
)  # fmt: skip
SHARE = Measure(
    "share of the packets", "a share", {"%": Fraction(1)}, "%", {"%": r"pct|percent"},
    Fraction(0), Fraction(100), "it is from `0%` to `100%`, with at most 7 decimals", Fraction(1, 10**7),
)  # fmt: skip
# Below, tc's bucket cannot hold the largest packet that an interface may send; above, there is no Ethernet.
RATE = Measure(
    "rate", "a rate", _RATES, "mbit", _MEANT_RATES,
    Fraction(8 * 10**3), Fraction(400 * 10**9), "it is from `8kbit` to `400gbit`, in bits a second",
)  # fmt: skip


def quantity(word: Word, measure: Measure, diagnostics: Diagnostics) -> Quantity | None:
    found = _NUMBER.fullmatch(word.text)
    if found is None:
        way_out = f"it is a number and a unit, as in `10{measure.usual}`"
        diagnostics.add(Diagnostic("NSL501", f"`{word.text}` is no {measure.what}", word.span, help=way_out))
        return None
    number, unit = found.groups()
    scale = measure.units.get(unit or measure.usual)
    if scale is not None and not measure.has(Fraction(number) * scale):
        message = f"`{word.text}` is no {measure.what}"
        diagnostics.add(Diagnostic("NSL502", message, word.span, help=measure.fits))
    elif not unit:
        message = f"`{number}` has no unit"
        diagnostics.add(Diagnostic("NSL501", message, word.span, help=f"write `{number}{measure.usual}`"))
    elif scale is None:
        message = f"`{unit}` is no unit of {measure.of}"
        way_out = _way_out(number, unit, measure)
        diagnostics.add(Diagnostic("NSL501", message, word.part(len(number), len(unit)), help=way_out))
    else:
        return Quantity(word.text, Fraction(number) * scale, word.span)
    return None


def _way_out(number: str, unit: str, measure: Measure) -> str:
    """The unit that was meant, or all there are."""
    for right, wrong in measure.meant.items():
        if re.fullmatch(wrong, unit, re.IGNORECASE):
            return f"write `{number}{right}`"
    first, *others = (f"`{each}`" for each in measure.units)
    return f"the units are {', '.join([first, *others[:-1]])} and {others[-1]}" if others else f"the unit is {first}"
