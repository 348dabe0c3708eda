"""The clauses of statements."""

from __future__ import annotations

from typing import TypeAlias

from nscompile.records import dataclass
from nscompile.syntax.basics import Syntax, Word


@dataclass(frozen=True, slots=True)
class In(Syntax):
    namespace: Word


@dataclass(frozen=True, slots=True)
class Ip(Syntax):
    """`ip A/L, …`; `ip none` has no address."""

    addresses: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Net(Syntax):
    prefixes: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Nat(Syntax):
    via: Word | None


@dataclass(frozen=True, slots=True)
class Mtu(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Stp(Syntax):
    pass


@dataclass(frozen=True, slots=True)
class VlanAware(Syntax):
    pass


@dataclass(frozen=True, slots=True)
class As(Syntax):
    name: Word


@dataclass(frozen=True, slots=True)
class Mac(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Vlan(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Trunk(Syntax):
    vlans: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Delay(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Jitter(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Loss(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Duplicate(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Reorder(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Corrupt(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Rate(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Limit(Syntax):
    value: Word


ImpairmentClause: TypeAlias = Delay | Jitter | Loss | Duplicate | Reorder | Corrupt | Rate | Limit


@dataclass(frozen=True, slots=True)
class Attachment(Syntax):
    """`[ip …] on BR …`; without `ip` the addresses are automatic."""

    ip: Ip | None
    bridge: Word
    clauses: tuple[As | Mac | Mtu | Vlan | Trunk | ImpairmentClause, ...]


@dataclass(frozen=True, slots=True)
class Gateway(Syntax):
    """`gateway A, …`; `gateway none` has no address."""

    addresses: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Via(Syntax):
    address: Word


@dataclass(frozen=True, slots=True)
class Dev(Syntax):
    interface: Word


@dataclass(frozen=True, slots=True)
class Blackhole(Syntax):
    pass


@dataclass(frozen=True, slots=True)
class Metric(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Table(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Route(Syntax):
    destination: Word
    clauses: tuple[Via | Dev | Blackhole | Metric | Table, ...]


@dataclass(frozen=True, slots=True)
class RulePart(Syntax):
    """One keyword of `ip rule` and its value, which flags such as `not` and `blackhole` have not."""

    key: Word
    value: Word | None = None


@dataclass(frozen=True, slots=True)
class Rule(Syntax):
    parts: tuple[RulePart, ...]


@dataclass(frozen=True, slots=True)
class Loopback(Syntax):
    addresses: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Forward(Syntax):
    pass


@dataclass(frozen=True, slots=True)
class Sysctl(Syntax):
    """`KEY=VALUE`, or `KEY=` with the value in a string of its own."""

    setting: Word
    string: Word | None


@dataclass(frozen=True, slots=True)
class Run(Syntax):
    """`run "command"`; the word still has its quotes."""

    command: Word


@dataclass(frozen=True, slots=True)
class Dns(Syntax):
    servers: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class End(Syntax):
    """One end of a link: `NODE[:IF] [ip …] [mac …]`, and at the left end impairments of that direction alone."""

    node: Word
    interface: Word | None
    clauses: tuple[Ip | Mac | ImpairmentClause, ...]
