"""The network itself, every name and address settled: what the checks judge and what is lowered to commands.

Terms are those of iproute2 and the kernel. A namespace of `None` is the host's own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from math import ceil
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from nscompile.source import Source, Span

DEFAULT_MTU = 1500  # ETH_DATA_LEN, include/uapi/linux/if_ether.h
ETHERNET_HEADER = 14  # bytes: ETH_HLEN, in the same file

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


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, as the lab writes it, and what that is in seconds, percent or bits a second."""

    text: str
    amount: Fraction
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Impairment:
    """What an interface does to the packets that it sends; `limit` is how many may wait in it."""

    delay: Quantity | None = None
    jitter: Quantity | None = None
    loss: Quantity | None = None
    duplicate: Quantity | None = None
    reorder: Quantity | None = None
    corrupt: Quantity | None = None
    rate: Quantity | None = None
    limit: Given[int] | None = None

    def under_way(self, mtu: int) -> int:
        """How many packets of full size are on their way at once at the full rate; 0 where there is none."""
        if self.delay is None or self.rate is None:
            return 0
        return ceil(self.delay.amount * self.rate.amount / 8 / (mtu + ETHERNET_HEADER))


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
    impairment: Impairment | None = None

    @property
    def largest(self) -> int:
        """The MTU in force, in bytes."""
        return self.mtu.value if self.mtu else DEFAULT_MTU


@dataclass(frozen=True, slots=True)
class Port:
    """What is plugged into a bridge: its end of a veth pair, or a device.

    `vlan` is the VLAN of its untagged frames, `trunk` are those, or ranges such as `10-20`, that it carries tagged.
    """

    name: str
    namespace: str | None
    bridge: str
    vlan: Given[int] | None
    trunk: tuple[Given[str], ...]
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
class Device:
    """An interface that is no end of a veth pair; `port` is itself where it is plugged into a bridge.

    Each kind has a `title`, which tells the reader of a script what it is.
    """

    interface: Interface
    port: Port | None

    @property
    def title(self) -> str:
        return type(self).__name__.lower()


@dataclass(frozen=True, slots=True)
class Dummy(Device):
    pass


@dataclass(frozen=True, slots=True)
class VlanInterface(Device):
    """A subinterface for the frames of VLAN `id` (802.1Q) on the interface `parent` of its namespace."""

    parent: str
    id: int

    @property
    def title(self) -> str:
        return f"VLAN {self.id} on {self.parent}"


@dataclass(frozen=True, slots=True)
class Macvlan(Device):
    """A macvlan or ipvlan (`kind`) on `parent`, an interface of its namespace or, with `on_host`, of the host."""

    kind: str
    parent: str
    on_host: bool
    mode: str

    @property
    def title(self) -> str:
        return f"{self.kind} on {self.parent}{' of the host' if self.on_host else ''}"


@dataclass(frozen=True, slots=True)
class Bond(Device):
    members: tuple[str, ...]
    mode: str

    @property
    def title(self) -> str:
        return f"bond of {', '.join(self.members)}"


@dataclass(frozen=True, slots=True)
class Vrf(Device):
    """A routing domain: what its members receive is looked up in `table`; `families` are those of their addresses."""

    members: tuple[str, ...]
    table: int
    families: tuple[int, ...]

    @property
    def title(self) -> str:
        return f"VRF of {', '.join(self.members)}, table {self.table}"


@dataclass(frozen=True, slots=True)
class Vxlan(Device):
    """A VXLAN of one identifier: to each of `remotes`, or to the multicast `group` through `underlay`."""

    id: int
    local: IPAddress | None
    remotes: tuple[IPAddress, ...]
    group: IPAddress | None
    underlay: str | None
    udp_port: int

    @property
    def title(self) -> str:
        return f"VXLAN {self.id} to {', '.join(map(str, self.remotes)) or self.group}"


@dataclass(frozen=True, slots=True)
class Tunnel(Device):
    """An IP tunnel of a kind that `ip link` knows; `key` is GRE's."""

    kind: str
    local: IPAddress
    remote: IPAddress
    key: int | None
    ttl: int | None

    @property
    def title(self) -> str:
        return f"{self.kind} from {self.local} to {self.remote}"


@dataclass(frozen=True, slots=True)
class WireguardPeer:
    """The other end of a WireGuard tunnel: who it is, where it is, and the prefixes that are behind it."""

    namespace: str
    name: str
    endpoint: IPAddress
    udp_port: int
    allowed: tuple[IPNetwork, ...]


@dataclass(frozen=True, slots=True)
class Wireguard(Device):
    """`key` is the file of its private key on the host; None has one made, for the lab of this name."""

    lab: str
    udp_port: int
    key: Given[str] | None
    peers: tuple[WireguardPeer, ...]

    @property
    def title(self) -> str:
        return f"WireGuard to {', '.join(peer.namespace for peer in self.peers)}"


@dataclass(frozen=True, slots=True)
class Phys(Device):
    """An interface of the host, known there as `lent`, that is in a namespace for as long as the lab is up."""

    lent: str

    @property
    def title(self) -> str:
        return f"{self.lent} of the host"


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
class Program:
    """A command for a shell that is started in a namespace once the lab is built."""

    namespace: str
    command: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class NameServers:
    """Whom a namespace asks for names, the first that answers."""

    namespace: str
    servers: tuple[Given[IPAddress], ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Hosts:
    """That every node knows the others by name."""

    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Topology:
    """A whole lab; `damaged` names the namespaces of which a part could not be resolved."""

    name: str
    sources: tuple[Source, ...] = field(compare=False)
    namespaces: tuple[Namespace, ...]
    bridges: tuple[Bridge, ...]
    attachments: tuple[Attachment, ...]
    links: tuple[Link, ...]
    uplinks: tuple[Uplink, ...]
    devices: tuple[Device, ...]
    masquerades: tuple[Masquerade, ...]
    forwards: tuple[Forwarding, ...]
    programs: tuple[Program, ...]
    name_servers: tuple[NameServers, ...]
    hosts: Hosts | None
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
        for device in self.devices:
            yield device.interface

    def ports(self) -> Iterator[Port]:
        for attachment in self.attachments:
            yield attachment.port
        for uplink in self.uplinks:
            yield uplink.port
        for device in self.devices:
            if device.port is not None:
                yield device.port

    def vrf_tables(self) -> dict[tuple[str | None, str], int]:
        """The table of each interface, by namespace and name, that is in a VRF."""
        vrfs = [device for device in self.devices if isinstance(device, Vrf)]
        return {(vrf.interface.namespace, member): vrf.table for vrf in vrfs for member in vrf.members}

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
