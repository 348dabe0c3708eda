"""The statements."""

from __future__ import annotations

from typing import TypeAlias

from nscompile.records import dataclass
from nscompile.syntax.basics import Syntax, Word
from nscompile.syntax.clauses import (
    As,
    Attachment,
    Dns,
    End,
    Forward,
    Gateway,
    ImpairmentClause,
    In,
    Ip,
    Loopback,
    Mtu,
    Nat,
    Net,
    Route,
    Rule,
    Run,
    Stp,
    Sysctl,
    VlanAware,
)
from nscompile.syntax.devices import Device

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


@dataclass(frozen=True, slots=True)
class Hosts(Syntax):
    pass


Statement: TypeAlias = Lab | Bridge | Node | Link | Uplink | Publish | Policy | Hosts | Device | Defaults
