"""Published ports: the host has the address, each port leads to one place, and answers come back."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Publication, Topology


def address_can_be_the_hosts(topology: Topology) -> Iterator[Diagnostic]:
    owners = {ip: name for name, owned in topology.addresses().items() if name is not None for ip in owned}
    for each in topology.publications:
        ip = each.address
        if ip is None:
            continue
        if ip.is_unspecified:
            message, way_out = f"`{ip}` is no address of the host", "leave it out: that publishes at all that it has"
        elif ip.is_multicast:
            message, way_out = f"`{ip}` is a multicast address", "publish at an address of the host"
        elif ip.version == 6 and ip.is_loopback:
            message = f"a port cannot be published at `{ip}`"
            way_out = "the kernel lets IPv4 alone go from lo to an interface: publish at `127.0.0.1`"
        elif ip in owners:
            message = f"`{ip}` is an address of `{owners[ip]}`, not of the host"
            way_out = f"leave it out; nodes reach `{ip}` without anything being published"
        else:
            continue
        yield Diagnostic("NSL704", message, each.span, help=way_out)


def port_published_once(topology: Topology) -> Iterator[Diagnostic]:
    """Of two rules for a port the first takes all the packets, silently."""
    taken: defaultdict[tuple[str, int, int], dict[object, Publication]] = defaultdict(dict)
    for each in topology.publications:
        others = taken[each.protocol, each.port, each.target.version]
        # One at every address is in the way of all others, and they of it.
        other = others.get(each.address, others.get(None))
        if each.address is None:
            other = next(iter(others.values()), None)
        others.setdefault(each.address, each)
        if other is not None:
            yield Diagnostic(
                "NSL703",
                f"port {each.port}/{each.protocol} is published twice",
                each.span,
                also=((other.span, f"to `{other.node}` here"),),
                help="publish one of them at another port, or each at an address of its own",
            )


def answers_come_back(topology: Topology) -> Iterator[Diagnostic]:
    """The host alone can turn the answer's source back into its own address, so the answer must pass through it."""
    doors = {
        name: {address.ip for address in addresses}
        for namespace, name, _, addresses in topology.addressed()
        if namespace is None
    }
    routes = {namespace.name: namespace.routes for namespace in topology.namespaces}
    for each in topology.publications:
        # What comes from lo arrives under the address of the interface.
        from_lo = each.address is not None and each.address.is_loopback
        hops = {route.via for route in routes[each.node]} if each.node not in topology.damaged else doors[each.inside]
        if not from_lo and not hops & doors[each.inside]:
            ip = next(ip for ip in sorted(doors[each.inside], key=str) if ip.version == each.target.version)
            yield Diagnostic(
                "NSL705",
                f"`{each.node}` routes nothing through the host, so it cannot answer anybody beyond its prefix",
                each.span,
                help=f"give it `gateway {ip}`",
                severity=Severity.WARNING,
            )
