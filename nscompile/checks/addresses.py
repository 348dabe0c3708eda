"""Addresses: each can be an interface's, stands once on its segment, and agrees with its neighbours on the prefix."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nscompile.model import Address, IPAddress, IPNetwork, Segment, Topology


def unicast(topology: Topology) -> Iterator[Diagnostic]:
    on_loopback = [(address, True) for namespace in topology.namespaces for address in namespace.loopback]
    on_wire = [(address, False) for _, _, _, addresses in topology.addressed() for address in addresses]
    for address, on_lo in on_loopback + on_wire:
        kind = _kind(address.ip, on_lo=on_lo)
        if kind is not None:
            yield Diagnostic("NSL204", f"`{address.ip}` is {kind}", address.span, help="give it a unicast address")


def _kind(ip: IPAddress, *, on_lo: bool) -> str | None:
    if ip.is_loopback and not on_lo:
        return "a loopback address, which no packet carries over a wire"
    if ip.is_multicast:
        return "a multicast address"
    if ip.is_unspecified:
        return "the unspecified address"
    if ip.version == 4 and int(ip) == 2**32 - 1:
        return "the limited broadcast address"
    return None


def not_network_or_broadcast(topology: Topology) -> Iterator[Diagnostic]:
    for _, _, _, addresses in topology.addressed():
        for address in addresses:
            network = address.network
            if network.prefixlen >= network.max_prefixlen - 1:
                continue
            first, last = network.network_address, network.broadcast_address
            if address.ip == first:
                yield _reserved(address, "network address", first + 1)
            elif address.ip == last and network.version == 4:
                yield _reserved(address, "broadcast address", last - 1)


def _reserved(address: Address, what: str, near: IPAddress) -> Diagnostic:
    message = f"`{address.ip}` is the {what} of `{address.network}`"
    way_out = f"take a host's address, `{near}/{address.network.prefixlen}`, say"
    return Diagnostic("NSL203", message, address.span, help=way_out)


def once_on_a_segment(topology: Topology) -> Iterator[Diagnostic]:
    first: dict[tuple[str, IPAddress], tuple[str | None, Address]] = {}
    taken = {(segment.key, address.ip) for _, _, segment, found in topology.addressed() for address in found}
    for namespace, _, segment, addresses in topology.addressed():
        for address in addresses:
            owner, other = first.setdefault((segment.key, address.ip), (namespace, address))
            if other is address:
                continue
            free = _next_free(address, segment.key, taken)
            yield Diagnostic(
                "NSL205",
                f"`{address.ip}` is given twice on {segment.label}",
                address.span,
                also=((other.span, f"to {_called(owner)} here"),),
                help=f"`{free}/{address.network.prefixlen}` is free" if free else None,
            )


def _next_free(address: Address, segment: str, taken: set[tuple[str, IPAddress]]) -> IPAddress | None:
    """The first free address above; none where a thousand are taken, which is no help to anyone."""
    for step in range(1, 1000):
        candidate = address.ip + step
        if candidate not in address.network or candidate == address.network.broadcast_address:
            return None
        if (segment, candidate) not in taken:
            return candidate
    return None


def _called(namespace: str | None) -> str:
    return "the host" if namespace is None else f"`{namespace}`"


def one_prefix_on_a_segment(topology: Topology) -> Iterator[Diagnostic]:
    """Neighbours that do not agree on the prefix do not hear each other, or only one way."""
    segments: defaultdict[tuple[str, int], list[tuple[str | None, Segment, Address]]] = defaultdict(list)
    for namespace, _, segment, addresses in topology.addressed():
        for address in addresses:
            if address.network.prefixlen < address.network.max_prefixlen:
                segments[segment.key, address.ip.version].append((namespace, segment, address))
    for placed in segments.values():
        members: defaultdict[IPNetwork, list[tuple[str | None, Segment, Address]]] = defaultdict(list)
        for each in placed:
            members[each[2].network].append(each)
        if len(members) < 2:
            continue
        # The prefix of most is the segment's, or where it comes to a draw the one that was written first.
        usual = max(members, key=lambda network: (len(members[network]), -members[network][0][2].span.start))
        for network, found in members.items():
            if network != usual and (len(found) == 1 or network.overlaps(usual)):
                owner, _, other = members[usual][0]
                for _, segment, address in found:
                    yield Diagnostic(
                        "NSL206",
                        f"`{address}` is not in the prefix of {segment.label}, `{usual}`",
                        address.span,
                        label=f"`{network}`",
                        also=((other.span, f"{_called(owner)} is in `{usual}`"),),
                        help=f"give all of {segment.label} addresses of one prefix",
                    )


def no_overlap_in_a_namespace(topology: Topology) -> Iterator[Diagnostic]:
    """Where two interfaces claim the same destinations the kernel uses one of them, silently."""
    owned: defaultdict[str | None, list[tuple[IPNetwork, Segment, Address]]] = defaultdict(list)
    for namespace, _, segment, addresses in topology.addressed():
        for address in addresses:
            owned[namespace].append((address.network, segment, address))
    for namespace, placed in owned.items():
        yield from _overlaps(namespace, placed)


def _overlaps(namespace: str | None, placed: Iterable[tuple[IPNetwork, Segment, Address]]) -> Iterator[Diagnostic]:
    # Sorted, a prefix stands directly behind those that hold it: the last one that reaches this far is enough.
    ordered = sorted(placed, key=lambda each: (each[0].version, int(each[0].network_address), each[0].prefixlen))
    wide: tuple[IPNetwork, Segment, Address] | None = None
    for network, segment, address in ordered:
        if wide is not None and wide[0].version == network.version and network.network_address in wide[0]:
            if wide[1] == segment:
                continue
            first, second = sorted((wide[2], address), key=lambda each: each.span.start)
            yield Diagnostic(
                "NSL207",
                f"`{second.network}` overlaps `{first.network}` on another interface of {_called(namespace)}",
                second.span,
                also=((first.span, f"`{first.network}` here"),),
                help="give each segment a prefix of its own",
            )
        else:
            wide = (network, segment, address)
