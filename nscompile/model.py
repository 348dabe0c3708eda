"""The network itself, every name and address settled: what the checks judge and what is lowered to commands.

Terms are those of iproute2 and the kernel. A namespace of `None` is the host's own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.source import Source, Span

# Where a vlan-aware bridge puts untagged frames, and itself, unless it is told otherwise.
NATIVE_VLAN = 1

IPAddress: TypeAlias = IPv4Address | IPv6Address
IPNetwork: TypeAlias = IPv4Network | IPv6Network


_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Given(Generic[_Value]):
    """A value that the lab gives, and where it does."""

    value: _Value
    span: Span = field(compare=False)


@cache
def _network(first: int, length: int, version: int) -> IPNetwork:
    """One object for each prefix, however many addresses are in it."""
    return IPv4Network((first, length)) if version == 4 else IPv6Network((first, length))


@dataclass(frozen=True, slots=True)
class Address:
    """An address on an interface, with the length of its prefix in bits."""

    ip: IPAddress
    length: int
    span: Span = field(compare=False)

    @property
    def network(self) -> IPNetwork:
        below = self.ip.max_prefixlen - self.length
        return _network(int(self.ip) >> below << below, self.length, self.ip.version)

    def __str__(self) -> str:
        return f"{self.ip}/{self.length}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One broadcast domain: a bridge, one VLAN of a bridge, or (with no bridge) a link; `key` tells them apart."""

    key: str
    label: str
    bridge: str | None
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface that may carry addresses: the node's end of a veth pair, a link's end, an uplink's host end.

    `in_place` marks a name such as eth0 that may stand on the host as well, so that the interface must be made in its
    namespace at once rather than moved there. `mtu` is in bytes.
    """

    name: str
    namespace: str | None
    segment: Segment
    addresses: tuple[Address, ...]
    in_place: bool
    mac: Given[str] | None
    mtu: Given[int] | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Port:
    """The bridge's end of a veth pair; `vlan` makes it an access port of that VLAN."""

    name: str
    namespace: str | None
    bridge: str
    vlan: Given[int] | None
    mtu: Given[int] | None
    span: Span = field(compare=False)


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


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Source NAT for what leaves `prefix`: through the interface `out`, or by any other than `inside`."""

    namespace: str | None
    prefix: IPNetwork
    out: str | None
    inside: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Route:
    """A route of a namespace; `destination` of None is the default route, no next hop and no device a blackhole."""

    destination: IPNetwork | None
    via: IPAddress | None
    device: str | None
    metric: int | None
    table: str | None
    family: int
    span: Span = field(compare=False)
    via_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing policy rule: `words` are what `ip rule add` takes."""

    family: int
    words: tuple[str, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Whether a namespace, or the host, passes on packets of a family (4 or 6) that are not for itself."""

    namespace: str | None
    family: int
    on: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Publication:
    """A port of the host, at `address` or at all that it has of the family, that leads to a port of a node.

    `inside` is the host's interface that the node is behind, `prefix` what the two share there.
    """

    protocol: str
    address: IPAddress | None
    port: int
    node: str
    target: IPAddress
    target_port: int
    inside: str
    prefix: IPNetwork
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a policy rule: a node, a prefix, or with neither anybody."""

    node: str | None = None
    prefix: IPNetwork | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Whether new connections from `source` to `target` are let through; `ports` are the first and the last.

    `is_last` if no `deny` follows.
    """

    allow: bool
    source: Peer
    target: Peer
    protocol: str | None
    ports: tuple[int, int] | None
    is_last: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Setting:
    key: str
    value: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A node, a router, or the home of a bridge."""

    name: str
    is_node: bool
    loopback: tuple[Address, ...]
    routes: tuple[Route, ...]
    rules: tuple[Rule, ...]
    settings: tuple[Setting, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Topology:
    """A whole lab; `damaged` names the namespaces of which a part could not be resolved."""

    name: str
    source: Source = field(compare=False)
    namespaces: tuple[Namespace, ...]
    bridges: tuple[Bridge, ...]
    attachments: tuple[Attachment, ...]
    links: tuple[Link, ...]
    uplinks: tuple[Uplink, ...]
    masquerades: tuple[Masquerade, ...]
    forwards: tuple[Forwarding, ...]
    publications: tuple[Publication, ...]
    policies: tuple[Policy, ...]
    damaged: frozenset[str] = field(compare=False)

    def interfaces(self) -> Iterator[Interface]:
        for attachment in self.attachments:
            yield attachment.interface
        for link in self.links:
            yield link.left
            yield link.right
        for uplink in self.uplinks:
            yield uplink.interface

    def ports(self) -> Iterator[Port]:
        for attachment in self.attachments:
            yield attachment.port
        for uplink in self.uplinks:
            yield uplink.port

    def addressed(self) -> Iterator[tuple[str | None, str, Segment, tuple[Address, ...]]]:
        """Namespace, name, segment and addresses of every interface on a segment, bridges among them."""
        for interface in self.interfaces():
            yield interface.namespace, interface.name, interface.segment, interface.addresses
        for bridge in self.bridges:
            yield bridge.namespace, bridge.name, bridge.segment, bridge.addresses

    def addresses(self) -> dict[str | None, list[IPAddress]]:
        """Of every namespace all the addresses that the lab gives it, those on lo last."""
        found: defaultdict[str | None, list[IPAddress]] = defaultdict(list)
        for home, _, _, addresses in self.addressed():
            found[home] += [address.ip for address in addresses]
        for namespace in self.namespaces:
            found[namespace.name] += [address.ip for address in namespace.loopback]
        return found
