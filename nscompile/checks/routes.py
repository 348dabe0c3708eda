"""Routes: every next hop can be reached directly, is somebody else, and passes packets on."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic, Severity

MAIN = 254
_TABLES = {"main": MAIN, "default": 253, "local": 255}  # include/uapi/linux/rtnetlink.h
_DEFAULT_METRIC = {4: 0, 6: 1024}  # IP6_RT_PRIO_USER, include/uapi/linux/ipv6_route.h

# A node may also be told to forward by its settings.
_FORWARDING_KEYS = {
    "net.ipv4.ip_forward": 4,
    "net.ipv4.conf.all.forwarding": 4,
    "net.ipv6.conf.all.forwarding": 6,
}

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Address, IPAddress, Namespace, Route, Segment, Topology

    # The name, segment and address of an interface, and the table that its VRF has; that of a VRF of none is 254.
    Placed = tuple[str, Segment, Address, int]


def _placed(topology: Topology) -> dict[str | None, list[Placed]]:
    """For each namespace what it has on segments."""
    placed: defaultdict[str | None, list[Placed]] = defaultdict(list)
    tables = topology.vrf_tables()
    for namespace, name, segment, addresses in topology.addressed():
        table = tables.get((namespace, name), MAIN)
        placed[namespace] += [(name, segment, address, table) for address in addresses]
    return placed


def _in_reach(route: Route, placed: list[Placed]) -> list[Placed]:
    """What the table of a route is connected to: that of a VRF to its members, any other to what is in none."""
    table = _table(route)
    domain = table if any(each[3] == table for each in placed) else MAIN
    return [each for each in placed if each[3] == domain]


def _table(route: Route) -> int:
    name = route.table or "main"
    return _TABLES[name] if name in _TABLES else int(name)


def next_hop_is_connected(topology: Topology) -> Iterator[Diagnostic]:
    placed = _placed(topology)
    for namespace in topology.namespaces:
        own = {address.ip for _, _, address, _ in placed.get(namespace.name, ())}
        own |= {address.ip for address in namespace.loopback}
        for route in namespace.routes:
            via = route.via
            if via is None:
                continue
            here = _in_reach(route, placed.get(namespace.name, []))
            if via in own:
                message = f"`{via}` is an address of `{namespace.name}` itself"
                way_out = "a next hop is the neighbour that the packet is handed to"
                yield Diagnostic("NSL302", message, route.via_span, help=way_out)
            elif edge := _edge(via, here):
                way_out = "a next hop is one host on the segment"
                yield Diagnostic("NSL203", f"`{via}` is {edge}", route.via_span, help=way_out)
            elif via.is_link_local and route.device is None:
                message = f"the link-local next hop `{via}` is on no particular interface"
                yield Diagnostic("NSL301", message, route.via_span, help=f"name it: `via {via} dev IF`")
            elif via.is_link_local or namespace.name in topology.damaged:
                continue
            elif not _connected(via, route.device, here):
                yield _unreachable(via, route, namespace, here)


def _edge(via: IPAddress, placed: list[Placed]) -> str | None:
    """What an address at the edge of a connected prefix is, if it is there; the kernel takes neither for a gateway."""
    for _, _, address, _ in placed:
        network = address.network
        if via.version == 4 and network.prefixlen < network.max_prefixlen - 1:
            if via == network.network_address:
                return f"the network address of `{network}`"
            if via == network.broadcast_address:
                return f"the broadcast address of `{network}`"
    return None


def _connected(via: IPAddress, device: str | None, placed: list[Placed]) -> bool:
    return any(via in address.network for name, _, address, _ in placed if device in {None, name})


def _unreachable(via: IPAddress, route: Route, namespace: Namespace, placed: list[Placed]) -> Diagnostic:
    here = [str(address.network) for name, _, address, _ in placed if route.device in {None, name}]
    networks = list(dict.fromkeys(network for network in here if (":" in network) == (via.version == 6)))
    where = f"`{namespace.name}`" if route.device is None else f"`{route.device}` of `{namespace.name}`"
    if networks:
        way_out = f"{where} is connected to {', '.join(f'`{network}`' for network in networks)}"
    else:
        way_out = f"{where} has no IPv{via.version} address: give it one in the next hop's prefix"
    message = f"`{via}` is on no prefix that {where} is connected to"
    return Diagnostic("NSL301", message, route.via_span, help=way_out)


def device_is_in_the_namespace(topology: Topology) -> Iterator[Diagnostic]:
    names: defaultdict[str | None, list[str]] = defaultdict(list)
    for interface in topology.interfaces():
        names[interface.namespace].append(interface.name)
    for bridge in topology.bridges:
        names[bridge.namespace].append(bridge.name)
    used = [
        (namespace.name, route.device, route.span)
        for namespace in topology.namespaces
        for route in namespace.routes
        if route.device not in {None, "lo"}
    ]
    used += [(each.namespace, each.out, each.span) for each in topology.masquerades if each.namespace and each.out]
    for namespace, device, span in used:
        if device not in names[namespace] and namespace not in topology.damaged:
            listed = ", ".join(f"`{name}`" for name in names[namespace])
            way_out = f"its interfaces are {listed}" if listed else "it has no interface"
            yield Diagnostic("NSL107", f"`{namespace}` has no interface `{device}`", span, help=way_out)


def no_route_twice(topology: Topology) -> Iterator[Diagnostic]:
    """What the kernel refuses with "File exists": the same destination at the same metric in the same table."""
    placed = _placed(topology)
    for namespace in topology.namespaces:
        seen: dict[object, Route] = {}
        for route in namespace.routes:
            table = _table(route)
            here = _in_reach(route, placed.get(namespace.name, []))
            connected = {address.network: address for _, _, address, domain in here if domain == table}
            metric = route.metric or _DEFAULT_METRIC[route.family]
            first = seen.setdefault((route.destination, route.family, metric, table), route)
            own = connected.get(route.destination) if route.destination else None
            if first is not route:
                yield Diagnostic(
                    "NSL305",
                    f"`{namespace.name}` has two routes to `{route.destination or 'default'}`",
                    route.span,
                    also=((first.span, "the first is here"),),
                    help="give one of them a `metric`, or a `table` of its own",
                )
            elif own is not None and route.metric is None:
                yield Diagnostic(
                    "NSL304",
                    f"`{namespace.name}` is connected to `{route.destination}` itself",
                    route.span,
                    also=((own.span, "connected by this address"),),
                    help="leave the route out, or give it a `metric` if it is to stand in when the interface is down",
                )


def next_hop_forwards(topology: Topology) -> Iterator[Diagnostic]:
    owner: dict[tuple[str, IPAddress], str | None] = {}
    for home, _, segment, addresses in topology.addressed():
        for address in addresses:
            owner[segment.key, address.ip] = home
    placed = _placed(topology)
    forwards = {(each.namespace, each.family) for each in topology.forwards if each.on}
    forwards |= {
        (namespace.name, _FORWARDING_KEYS[setting.key.replace("/", ".")])
        for namespace in topology.namespaces
        for setting in namespace.settings
        if setting.key.replace("/", ".") in _FORWARDING_KEYS and setting.value != "0"
    }
    by_name = {namespace.name: namespace for namespace in topology.namespaces}
    for namespace in topology.namespaces:
        segments = list(dict.fromkeys(segment.key for _, segment, _, _ in placed.get(namespace.name, ())))
        for route in namespace.routes:
            if route.via is None:
                continue
            hops = [owner[key, route.via] for key in segments if (key, route.via) in owner]
            hop = by_name.get(hops[0] or "") if hops else None
            if hop is not None and hop is not namespace and (hop.name, route.family) not in forwards:
                kind = "node" if hop.is_node else "bridge's home"
                yield Diagnostic(
                    "NSL307",
                    f"`{namespace.name}` routes through `{hop.name}`, which forwards nothing",
                    route.via_span,
                    also=((hop.span, f"a {kind}, not a router"),),
                    help=f"declare it `router {hop.name}`",
                    severity=Severity.WARNING,
                )
