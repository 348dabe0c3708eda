"""What everything in a network is made of: addresses, segments, interfaces, and values with their place in the lab."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from math import ceil
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from nscompile.records import dataclass, field

if TYPE_CHECKING:
    from fractions import Fraction

    from nscompile.source import Span

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

    @property
    def native(self) -> int:
        return self.vlan.value if self.vlan else NATIVE_VLAN

    def in_trunk(self, vlan: int) -> bool:
        bounds = [each.value.partition("-") for each in self.trunk]
        return any(int(first) <= vlan <= int(last or first) for first, _, last in bounds)
