"""Veth pairs, and the bridges that they are plugged into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.model.basics import Segment
from nscompile.records import dataclass, field

if TYPE_CHECKING:
    from nscompile.model.basics import Address, Given, Interface, Port
    from nscompile.source import Span


@dataclass(frozen=True, slots=True)
class Attachment:
    """A veth pair between a node and a bridge."""

    interface: Interface
    port: Port


@dataclass(frozen=True, slots=True)
class Link:
    """A veth pair between two nodes."""

    left: Interface
    right: Interface
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Uplink:
    """A veth pair between the host and a bridge; the host's end is a gateway for the nodes on the bridge."""

    interface: Interface
    port: Port
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Bridge:
    name: str
    namespace: str | None
    addresses: tuple[Address, ...]
    mtu: Given[int] | None
    stp: bool
    vlan_aware: bool
    span: Span = field(compare=False)

    @property
    def segment(self) -> Segment:
        return Segment(self.name, f"`{self.name}`", self.name)
