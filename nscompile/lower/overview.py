"""What a script's reader sees first: a drawing of the lab, and a table of its namespaces, interfaces and addresses."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Attachment, Bridge, Interface, Link, Topology

# A bridge with more nodes than this is drawn with the first ones, the last one, and dots between.
_MOST_DRAWN = 12


def drawing(topology: Topology) -> tuple[str, ...]:
    """The bridges with what is plugged into them, then the links as chains of nodes."""
    plugged: defaultdict[str, list[str]] = defaultdict(list)
    for attachment in topology.attachments:
        plugged[attachment.port.bridge].append(attachment.interface.namespace or "")
    lines: list[str] = []
    for bridge in topology.bridges:
        lines += ["", *_star(plugged[bridge.name], _label(bridge) + _way_out(bridge, topology))]
    chains = [" -- ".join(chain) for chain in _chains(topology.links)]
    lines += ["", *chains] if chains else []
    return tuple(lines[1:])


def _star(nodes: list[str], hub: str) -> Iterator[str]:
    """The nodes one under the other, and the hub beside the middle of the rail that joins them."""
    if len(nodes) > _MOST_DRAWN:
        nodes = [*nodes[: _MOST_DRAWN - 2], "...", nodes[-1]]
    if len(nodes) < 2:
        yield " -- ".join([*nodes, hub])
        return
    width = max(map(len, nodes))
    stems = [f"{node:{width}} --" for node in nodes]
    if len(nodes) == 2:
        stems.insert(1, " " * (width + 3))
    first, *between, last = stems
    yield f"{first}."
    for row, stem in enumerate(between, 1):
        yield f"{stem}+-- {hub}" if row == len(stems) // 2 else f"{stem}+"
    yield f"{last}'"


def _label(bridge: Bridge) -> str:
    addresses = "".join(f" {address}" for address in bridge.addresses)
    return f"{bridge.name}{addresses} ({f'in {bridge.namespace}' if bridge.namespace else 'on the host'})"


def _way_out(bridge: Bridge, topology: Topology) -> str:
    """Where the bridge's nodes get out of the lab: an uplink, NAT, or nothing."""
    uplinks = [uplink.interface for uplink in topology.uplinks if uplink.port.bridge == bridge.name]
    inside = {bridge.name, *(interface.name for interface in uplinks)}
    outs = [each.out for each in topology.masquerades if each.inside in inside]
    shown = "".join(f" -- {interface.name} (on the host)" for interface in uplinks)
    return shown + (f" -- NAT -- {outs[0] or 'outside'}" if outs else "")


def _chains(links: tuple[Link, ...]) -> Iterator[list[str]]:
    """The links as walks along nodes, each link drawn once."""
    ends: defaultdict[str, deque[tuple[int, str]]] = defaultdict(deque)
    for number, link in enumerate(links):
        left, right = link.left.namespace or "", link.right.namespace or ""
        ends[left].append((number, right))
        ends[right].append((number, left))
    drawn: set[int] = set()
    for link in links:
        chain = [link.left.namespace or ""]
        while ends[chain[-1]]:
            number, neighbour = ends[chain[-1]].popleft()
            if number not in drawn:
                drawn.add(number)
                chain.append(neighbour)
        if len(chain) > 1:
            yield chain


def table(topology: Topology) -> tuple[tuple[str, ...], ...]:
    """Rows of namespace, interface, addresses and default route, namespace by namespace, the host last.

    Where a lab has more than plain cables, one more column tells what an interface is.
    """
    titles = dict(_titles(topology))
    owned: defaultdict[str | None, list[tuple[str, ...]]] = defaultdict(list)
    things: list[Interface | Bridge] = [*topology.interfaces(), *topology.bridges]
    for thing in things:
        what = (titles.get((thing.namespace, thing.name), ""),) if titles else ()
        owned[thing.namespace].append((thing.name, *what, _listed(thing.addresses)))
    more = ("what it is",) if titles else ()
    blank = ("",) if titles else ()
    rows = [("namespace", "interface", *more, "addresses", "default route")]
    for namespace in topology.namespaces:
        cells = [("lo", *blank, _listed(namespace.loopback))] if namespace.loopback else []
        first, *others = [*cells, *owned[namespace.name]] or [("-", *blank, "-")]
        defaults = [str(route.via or route.device) for route in namespace.routes if route.destination is None]
        rows.append((namespace.name, *first, ", ".join(defaults) or "-"))
        rows += [("", *each, "") for each in others]
    rows += [("" if row else "(the host)", *cells, "") for row, cells in enumerate(owned[None])]
    return tuple(rows)


def _titles(topology: Topology) -> Iterator[tuple[tuple[str | None, str], str]]:
    """What each interface is, by namespace and name, if it is more than the end of a cable."""
    for device in topology.devices:
        plugged = f", port of {device.port.bridge}" if device.port else ""
        yield (device.interface.namespace, device.interface.name), device.title + plugged
    for attachment in topology.attachments:
        port = attachment.port
        if port.trunk:
            yield _place(attachment), f"trunk of {port.bridge}: {', '.join(each.value for each in port.trunk)}"
        elif port.vlan is not None:
            yield _place(attachment), f"VLAN {port.vlan.value} of {port.bridge}"


def _place(attachment: Attachment) -> tuple[str | None, str]:
    return attachment.interface.namespace, attachment.interface.name


def _listed(addresses: tuple[object, ...]) -> str:
    return ", ".join(map(str, addresses)) or "-"
