"""Automatic addresses: the lowest free one of a bridge's pool, drawn in source order."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.model import Address
from nscompile.records import dataclass, field

if TYPE_CHECKING:
    from nscompile.model import IPNetwork
    from nscompile.source import Span


@dataclass(slots=True)
class Pool:
    """A prefix to draw from; `length` is the prefix length that its addresses carry, the segment's own."""

    network: IPNetwork
    length: int
    _next: int = field(init=False)
    _last: int = field(init=False)

    def __post_init__(self) -> None:
        first, last = int(self.network.network_address), int(self.network.broadcast_address)
        on_link = self.network.supernet(new_prefix=self.length)
        # Neither the network's nor the broadcast address, where the prefix is wide enough to have them.
        if self.length < self.network.max_prefixlen - 1:
            first = max(first, int(on_link.network_address) + 1)
            last = min(last, int(on_link.broadcast_address) - (1 if self.network.version == 4 else 0))
        self._next, self._last = first, last

    def draw(self, used: set[tuple[int, int]], span: Span) -> Address | None:
        while self._next <= self._last:
            value = self._next
            self._next += 1
            if (self.network.version, value) not in used:
                ip = ipaddress.IPv4Address(value) if self.network.version == 4 else ipaddress.IPv6Address(value)
                return Address(ip, self.length, span)
        return None


@dataclass(slots=True)
class Pools:
    """The pools of one bridge, and the addresses on its segment that are spoken for."""

    bridge: str
    pools: list[Pool]
    used: set[tuple[int, int]]

    def draw(self, node: str, span: Span, diagnostics: Diagnostics) -> tuple[Address, ...] | None:
        """One address of each family that the bridge has a pool for; None, reported, where there is none."""
        if not self.pools:
            message = f"`{self.bridge}` has no pool to take an address for `{node}` from"
            way_out = "give the bridge a `net`, the interface an `ip A/L`, or write `ip none` for no address"
            diagnostics.add(Diagnostic("NSL209", message, span, help=way_out))
            return None
        drawn: list[Address] = []
        for version in (4, 6):
            pools = [pool for pool in self.pools if pool.network.version == version]
            found = next(filter(None, (pool.draw(self.used, span) for pool in pools)), None)
            if found is not None:
                drawn.append(found)
            elif pools:
                nets = ", ".join(f"`{pool.network}`" for pool in pools)
                message = f"no address is left for `{node}` in {nets}"
                diagnostics.add(Diagnostic("NSL208", message, span, help=f"give `{self.bridge}` a larger `net`"))
                return None
        return tuple(drawn)


def pools_of(bridge: str, nets: list[IPNetwork], gateways: list[Address], on_link: list[Address]) -> Pools:
    """The pools of a bridge: its `net`, or the prefixes of its gateways (itself or its uplinks).

    `on_link` are all the explicit addresses on the segment: they are taken, and where a pool lies within one of
    their prefixes that prefix's length is the segment's.
    """
    # A pool drawn dry is skipped at a glance, so equal prefixes need no special care, only no second pool.
    networks = nets or list(dict.fromkeys(gateway.network for gateway in gateways))
    prefixes = {address.network for address in [*gateways, *on_link]}
    pools = []
    for network in networks:
        wider = [prefix for prefix in prefixes if prefix.version == network.version and _within(network, prefix)]
        pools.append(Pool(network, min([network.prefixlen, *(prefix.prefixlen for prefix in wider)])))
    used: set[tuple[int, int]] = {(address.ip.version, int(address.ip)) for address in [*gateways, *on_link]}
    return Pools(bridge, pools, used)


def _within(network: IPNetwork, prefix: IPNetwork) -> bool:
    return network.prefixlen >= prefix.prefixlen and network.network_address in prefix
