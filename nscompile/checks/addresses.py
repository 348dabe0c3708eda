"""Addresses: each can be an interface's, stands once on its segment, and agrees with its neighbours on the prefix."""

from __future__ import annotations

from collections import defaultdict
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

from nscompile.diagnostics import Diagnostic

_ON_LO = {IPv4Address("127.0.0.1"), IPv6Address("::1")}
_THIS_NETWORK = IPv4Network("0.0.0.0/8")  # RFC 1122, section 3.2.1.3
_RESERVED = IPv4Network("240.0.0.0/4")  # RFC 1112, section 4

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nscompile.model import Address, IPAddress, IPNetwork, Segment, Topology


def unicast(topology: Topology) -> Iterator[Diagnostic]:
    for namespace in topology.namespaces:
        for address in namespace.loopback:
            if address.ip in _ON_LO:
                message = f"`{address.ip}` is on lo already"
                yield Diagnostic("NSL205", message, address.span, help="leave it out")
            elif kind := _kind(address.ip):
                yield _not_unicast(address, kind)
    for _, _, _, addresses in topology.addressed():
        for address in addresses:
            if address.ip.is_loopback:
                yield _not_unicast(address, "a loopback address, which no packet carries over a wire")
            elif kind := _kind(address.ip):
                yield _not_unicast(address, kind)


def _not_unicast(address: Address, kind: str) -> Diagnostic:
    return Diagnostic("NSL204", f"`{address.ip}` is {kind}", address.span, help="give it a unicast address")


def _kind(ip: IPAddress) -> str | None:
    if ip.is_multicast:
        return "a multicast address"
    if ip.is_unspecified:
        return "the unspecified address"
    if ip in _THIS_NETWORK or ip in _RESERVED:
        return "a reserved address"
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


class _Member(NamedTuple):
    """An address on a segment, and whose it is."""

    namespace: str | None
    interface: str
    segment: Segment
    address: Address


def one_prefix_on_a_segment(topology: Topology) -> Iterator[Diagnostic]:
    """Neighbours that do not agree on the prefix do not hear each other, or only one way."""
    segments: defaultdict[tuple[str, int], list[_Member]] = defaultdict(list)
    for namespace, name, segment, addresses in topology.addressed():
        for address in addresses:
            alone = address.network.prefixlen == address.network.max_prefixlen
            if not alone and not address.ip.is_link_local:
                segments[segment.key, address.ip.version].append(_Member(namespace, name, segment, address))
    for members in segments.values():
        yield from _dissenters(members)


def _dissenters(members: list[_Member]) -> Iterator[Diagnostic]:
    prefixes: defaultdict[IPNetwork, list[_Member]] = defaultdict(list)
    for member in members:
        prefixes[member.address.network].append(member)
    # The prefix of most is the segment's, or where it comes to a draw the one that was written first.
    usual = max(prefixes, key=lambda network: (len(prefixes[network]), -prefixes[network][0].address.span.start))
    # Whoever is in company in one prefix may be alone in another.
    in_company = {(each.namespace, each.interface) for found in prefixes.values() if len(found) > 1 for each in found}
    in_company |= {(each.namespace, each.interface) for each in prefixes[usual]}
    for network, found in prefixes.items():
        alone = len(found) == 1 and (found[0].namespace, found[0].interface) not in in_company
        if network == usual or not (alone or network.overlaps(usual)):
            continue
        for member in found:
            other = prefixes[usual][0]
            yield Diagnostic(
                "NSL206",
                f"`{member.address}` is not in the prefix of {member.segment.label}, `{usual}`",
                member.address.span,
                label=f"`{network}`",
                also=((other.address.span, f"{_called(other.namespace)} is in `{usual}`"),),
                help=f"give all of {member.segment.label} addresses of one prefix",
            )


def no_overlap_in_a_namespace(topology: Topology) -> Iterator[Diagnostic]:
    """Where two interfaces claim the same destinations the kernel uses one of them, silently."""
    owned: defaultdict[tuple[str | None, int], list[tuple[IPNetwork, Segment, Address]]] = defaultdict(list)
    tables = topology.vrf_tables()
    for namespace, name, segment, addresses in topology.addressed():
        for address in addresses:
            # A link-local prefix is each interface's own, and each VRF has a table of its own.
            if not address.ip.is_link_local:
                owned[namespace, tables.get((namespace, name), 0)].append((address.network, segment, address))
    for (namespace, _), placed in owned.items():
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
