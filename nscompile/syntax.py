"""The program as it was written: one frozen node for each rule of `grammar/nsl.lark`, in the rule's own order.

Nothing is interpreted here. A `Word` may still hold a bracket range or be no address at all; `parser.py` builds a
node from the rule of the same name, so a field's place is its place in the grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from nscompile.source import Span


@dataclass(frozen=True, slots=True)
class Word:
    """A name or value; `text` is what it says after the variables and ranges in it were expanded."""

    text: str
    span: Span

    @property
    def is_string(self) -> bool:
        return self.text.startswith('"')

    def unquoted(self) -> str:
        """What a string says; a backslash before anything but a quote or a backslash is a plain one."""
        return re.sub(r'\\(["\\])', r"\1", self.text[1:-1])

    def part(self, start: int, length: int) -> Span:
        """Where a piece of the text stands; the whole word where expansion has moved things."""
        return self.span.part(start, length) if self.span.end - self.span.start == len(self.text) else self.span


@dataclass(frozen=True, slots=True)
class Syntax:
    span: Span


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


BridgeClause: TypeAlias = In | Ip | Net | Nat | Mtu | Stp | VlanAware
NodeClause: TypeAlias = Attachment | Gateway | Route | Rule | Loopback | Forward | Sysctl | Run | Dns


@dataclass(frozen=True, slots=True)
class Include(Syntax):
    path: Word


@dataclass(frozen=True, slots=True)
class Let(Syntax):
    name: Word
    value: Word


@dataclass(frozen=True, slots=True)
class For(Syntax):
    """`for VARIABLE in VALUE, … { … }`, around statements or the clauses of a node."""

    variable: Word
    values: tuple[Word, ...]
    body: tuple[Syntax, ...]


@dataclass(frozen=True, slots=True)
class Defaults(Syntax):
    clauses: tuple[Mtu | Sysctl | Dns | ImpairmentClause, ...]


@dataclass(frozen=True, slots=True)
class Lab(Syntax):
    name: Word


@dataclass(frozen=True, slots=True)
class Bridge(Syntax):
    name: Word
    clauses: tuple[BridgeClause, ...]


@dataclass(frozen=True, slots=True)
class Node(Syntax):
    name: Word
    clauses: tuple[NodeClause, ...]


@dataclass(frozen=True, slots=True)
class Router(Node):
    pass


@dataclass(frozen=True, slots=True)
class Link(Syntax):
    left: End
    right: End
    clauses: tuple[Mtu | ImpairmentClause, ...]


@dataclass(frozen=True, slots=True)
class Uplink(Syntax):
    bridge: Word
    clauses: tuple[Ip | Nat | As | Mtu, ...]


@dataclass(frozen=True, slots=True)
class On(Syntax):
    bridge: Word


@dataclass(frozen=True, slots=True)
class Of(Syntax):
    members: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Id(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Host(Syntax):
    interface: Word


@dataclass(frozen=True, slots=True)
class Mode(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Local(Syntax):
    address: Word


@dataclass(frozen=True, slots=True)
class Remote(Syntax):
    addresses: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Group(Syntax):
    address: Word


@dataclass(frozen=True, slots=True)
class Port(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Key(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Ttl(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Endpoint(Syntax):
    address: Word


@dataclass(frozen=True, slots=True)
class Peer(Syntax):
    """`peer NODE[:IF]`; without the interface it is called as the one that has the clause."""

    node: Word
    interface: Word | None


@dataclass(frozen=True, slots=True)
class Device(Syntax):
    """`KIND NAME [in NS] …`: an interface that is no end of a veth pair."""

    name: Word
    clauses: tuple[Syntax, ...]

    @property
    def called(self) -> Word:
        """What its namespace knows it by."""
        return next((clause.name for clause in self.clauses if isinstance(clause, As)), self.name)


class Dummy(Device):
    __slots__ = ()


class VlanInterface(Device):
    __slots__ = ()


class Macvlan(Device):
    __slots__ = ()


class Ipvlan(Device):
    __slots__ = ()


class Bond(Device):
    __slots__ = ()


class Vrf(Device):
    __slots__ = ()


class Vxlan(Device):
    __slots__ = ()


class Tunnel(Device):
    """An IP tunnel of one of the kinds below."""

    __slots__ = ()


class Gre(Tunnel):
    __slots__ = ()


class Ipip(Tunnel):
    __slots__ = ()


class Sit(Tunnel):
    __slots__ = ()


class Wireguard(Device):
    __slots__ = ()


class Phys(Device):
    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Hosts(Syntax):
    pass


@dataclass(frozen=True, slots=True)
class Publish(Syntax):
    """`publish [A:]PORT[/udp] to NODE:PORT`."""

    port: Word
    node: Word
    target: Word


@dataclass(frozen=True, slots=True)
class Policy(Syntax):
    """`FROM -> TO [PROTOCOL [PORT[-PORT]]]`, behind `allow` or `deny`."""

    source: Word
    target: Word
    protocol: Word | None
    ports: Word | None


@dataclass(frozen=True, slots=True)
class Allow(Policy):
    pass


@dataclass(frozen=True, slots=True)
class Deny(Policy):
    pass


Statement: TypeAlias = Lab | Bridge | Node | Link | Uplink | Publish | Policy | Hosts | Device | Defaults
