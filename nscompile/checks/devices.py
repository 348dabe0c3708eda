"""Interfaces, bridges and namespaces: what the kernel refuses, and what it takes and then drops packets for."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic, Severity
from nscompile.model import DEFAULT_MTU, Given

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Bridge, Interface, Topology
    from nscompile.source import Span

MOST_PORTS = 1023  # BR_MAX_PORTS less port 0, net/bridge/br_private.h
LEAST_MTU_IPV6 = 1280  # RFC 8200, section 5
_OF_INTERFACE = re.compile(
    r"(?P<before>net(?P<sign>[./])\w+[./](?:conf|neigh))(?P=sign)(?P<name>.+)(?P=sign)(?P<key>\w+)"
)


def mac_once_on_a_segment(topology: Topology) -> Iterator[Diagnostic]:
    first: dict[tuple[str, str], tuple[Given[str], Interface]] = {}
    for interface in topology.interfaces():
        if interface.mac is None:
            continue
        mac, other = first.setdefault((interface.segment.key, interface.mac.value), (interface.mac, interface))
        if other is not interface:
            yield Diagnostic(
                "NSL212",
                f"`{mac.value}` is given twice on {interface.segment.label}",
                interface.mac.span,
                also=((mac.span, f"to an interface of `{other.namespace}` here"),),
                help="give each interface on a segment a MAC address of its own",
            )


def interface_once_in_a_namespace(topology: Topology) -> Iterator[Diagnostic]:
    first: dict[tuple[str | None, str], Span] = {}
    placed = [(bridge.namespace, bridge.name, bridge.span) for bridge in topology.bridges]
    placed += [(each.namespace, each.name, each.span) for each in topology.interfaces()]
    ports = [*(each.port for each in topology.attachments), *(each.port for each in topology.uplinks)]
    placed += [(port.namespace, port.name, port.span) for port in ports]
    for namespace, name, span in placed:
        other = first.setdefault((namespace, name), span)
        if other is not span:
            where = "the host" if namespace is None else f"`{namespace}`"
            yield Diagnostic(
                "NSL105",
                f"{where} has two interfaces called `{name}`",
                span,
                also=((other, "the first is here"),),
                help="name one of them with `as`" if namespace is not None else "rename one of them",
            )


def home_is_not_a_node_without_need(topology: Topology) -> Iterator[Diagnostic]:
    """A bridge with neither address nor device takes no part in its node's network: two names mixed up, most likely."""
    nodes = {namespace.name: namespace for namespace in topology.namespaces if namespace.is_node}
    joined = {device.port.bridge for device in topology.devices if device.port}
    for bridge in topology.bridges:
        node = nodes.get(bridge.namespace or "")
        if node is not None and not bridge.addresses and bridge.name not in joined:
            yield Diagnostic(
                "NSL106",
                f"`{node.name}` is a node and also the home of the bridge `{bridge.name}`",
                bridge.span,
                also=((node.span, "the node is here"),),
                help="give the bridge a namespace of its own, or an `ip` if the node is to be its gateway",
            )


def ports_within_limit(topology: Topology) -> Iterator[Diagnostic]:
    count: Counter[str] = Counter()
    for port in topology.ports():
        count[port.bridge] += 1
        if count[port.bridge] == MOST_PORTS + 1:
            yield Diagnostic(
                "NSL405",
                f"`{port.bridge}` has more than {MOST_PORTS} ports, the most that Linux gives a bridge",
                port.span,
                help="spread the nodes over several bridges with a router between them",
            )


def mtu_carries_ipv6(topology: Topology) -> Iterator[Diagnostic]:
    things: list[Interface | Bridge] = [*topology.interfaces(), *topology.bridges]
    for thing in things:
        mtu, has_ipv6 = thing.mtu, any(address.ip.version == 6 for address in thing.addresses)
        if mtu is not None and mtu.value < LEAST_MTU_IPV6 and has_ipv6:
            message = f"an MTU of {mtu.value} on `{thing.name}` is too small for IPv6"
            yield Diagnostic("NSL401", message, mtu.span, help=f"IPv6 needs at least {LEAST_MTU_IPV6} bytes")


def one_mtu_on_a_segment(topology: Topology) -> Iterator[Diagnostic]:
    """A bridge carries no more than its smallest port, and drops what is larger without a word."""
    sizes: defaultdict[str, dict[int, Span]] = defaultdict(dict)
    whole = [each.port for each in topology.attachments if each.interface.namespace not in topology.damaged]
    # What the kernel gives a device that is not told depends on what it stands on.
    told = [device.port for device in topology.devices if device.port and device.port.mtu]
    for port in [*whole, *(uplink.port for uplink in topology.uplinks), *told]:
        size = port.mtu or Given(DEFAULT_MTU, port.span)
        sizes[port.bridge].setdefault(size.value, size.span)
    for bridge in topology.bridges:
        found = sizes[bridge.name]
        if bridge.mtu is not None:
            found.setdefault(bridge.mtu.value, bridge.mtu.span)
        if len(found) < 2:
            continue
        small, large = min(found), max(found)
        yield Diagnostic(
            "NSL411",
            f"on `{bridge.name}` there is an MTU of {large} and one of {small}",
            found[large],
            label=f"{large}",
            also=((found[small], f"{small}"),),
            help="give the bridge, its uplink and all interfaces on it one `mtu`: it drops what a port cannot carry",
            severity=Severity.WARNING,
        )


def vlan_on_vlan_aware_bridge(topology: Topology) -> Iterator[Diagnostic]:
    bridges = {bridge.name: bridge for bridge in topology.bridges}
    for attachment in topology.attachments:
        bridge = bridges[attachment.port.bridge]
        vlan = attachment.port.vlan
        given = [each.span for each in (vlan, *attachment.port.trunk) if each is not None]
        if given and not bridge.vlan_aware:
            yield Diagnostic(
                "NSL404",
                f"`{bridge.name}` knows no VLANs",
                given[0],
                also=((bridge.span, "declared here"),),
                help=f"declare it `bridge {bridge.name} … vlan-aware`",
            )


def node_has_interface(topology: Topology) -> Iterator[Diagnostic]:
    connected = {interface.namespace for interface in topology.interfaces()}
    connected |= {bridge.namespace for bridge in topology.bridges}
    for namespace in topology.namespaces:
        if namespace.name not in connected and namespace.name not in topology.damaged:
            yield Diagnostic(
                "NSL412",
                f"`{namespace.name}` has no interface",
                namespace.span,
                help="connect it to a bridge with `on BR`, or to another node with a `link`",
                severity=Severity.WARNING,
            )


def setting_names_an_interface(topology: Topology) -> Iterator[Diagnostic]:
    """Where a key is divided by dots, sysctl takes those of an interface's name for more of them."""
    names: defaultdict[str | None, set[str]] = defaultdict(lambda: {"all", "default", "lo"})
    for interface in topology.interfaces():
        names[interface.namespace].add(interface.name)
    for bridge in topology.bridges:
        names[bridge.namespace].add(bridge.name)
    for namespace in topology.namespaces:
        for setting in namespace.settings if namespace.name not in topology.damaged else ():
            found = _OF_INTERFACE.fullmatch(setting.key)
            name = found["name"] if found else "all"
            if name not in names[namespace.name]:
                known = ", ".join(f"`{each}`" for each in sorted(names[namespace.name] - {"all", "default", "lo"}))
                way_out = f"its interfaces are {known}" if known else None
                message = f"`{namespace.name}` has no interface `{name}`"
                yield Diagnostic("NSL107", message, setting.span, help=way_out)
            elif found and "." in name and found["sign"] == ".":
                way_out = f"write `{found['before'].replace('.', '/')}/{name}/{found['key']}={setting.value}`"
                yield Diagnostic(
                    "NSL410", f"the dot in `{name}` would be taken for the end of it", setting.span, help=way_out
                )
