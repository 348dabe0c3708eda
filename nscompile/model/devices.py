"""Interfaces that are no end of a veth pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.records import dataclass

if TYPE_CHECKING:
    from nscompile.model.basics import Given, Interface, IPAddress, IPNetwork, Port


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
