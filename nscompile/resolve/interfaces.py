"""Every veth pair of the lab settled: read by kind, named together, then addressed and built.

The kinds are a file each (`attachments`, `links`, `uplinks`); each reads its statements into drafts that wish for names
and, once all names are granted, builds them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from nscompile.records import dataclass, field
from nscompile.resolve import attachments, links, uplinks
from nscompile.resolve.naming import Names

if TYPE_CHECKING:
    from nscompile import syntax
    from nscompile.model import Address, Attachment, Bridge, Interface, Link, Uplink
    from nscompile.resolve.scope import Scope


class Gateway(NamedTuple):
    """An address that nodes on a bridge can be routed through, and the namespace (None: the host) it is in."""

    address: Address
    home: str | None


@dataclass(slots=True)
class Interfaces:
    """All the interfaces, by kind and, for routing, by node.

    `nats` are the uplinks that say `nat`, `gateways` what each bridge offers to be routed through, `in_vrf` the
    interfaces, by node and name, that a node's main table does not know.
    """

    attachments: list[Attachment] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    uplinks: list[Uplink] = field(default_factory=list)
    nats: list[tuple[syntax.Nat, Uplink]] = field(default_factory=list)
    in_vrf: set[tuple[str, str]] = field(default_factory=set)
    by_node: defaultdict[str, list[Interface]] = field(default_factory=lambda: defaultdict(list))
    gateways: defaultdict[str, list[Gateway]] = field(default_factory=lambda: defaultdict(list))


def settle(lab: str, bridges: dict[str, Bridge], scope: Scope) -> Interfaces:
    on_host = {bridge.name for bridge in bridges.values() if bridge.namespace is None}
    names = Names(lab, on_host | {name for namespace, name in scope.devices if namespace is None})
    risers = uplinks.read(bridges, names, scope)
    wires = attachments.read(bridges, names, scope)
    cables = links.read(names, scope)
    granted = names.grant()

    interfaces = Interfaces(uplinks=[uplinks.build(riser, granted) for riser in risers])
    risen = zip(risers, interfaces.uplinks, strict=True)
    interfaces.nats = [(riser.nat, uplink) for riser, uplink in risen if riser.nat is not None]
    for bridge in bridges.values():
        interfaces.gateways[bridge.name] += [Gateway(address, bridge.namespace) for address in bridge.addresses]
    for uplink in interfaces.uplinks:
        interfaces.gateways[uplink.port.bridge] += [Gateway(address, None) for address in uplink.interface.addresses]
    offered = {name: [gateway.address for gateway in interfaces.gateways[name]] for name in bridges}
    attachments.draw(wires, offered, scope)
    interfaces.attachments = [attachments.build(wire, granted) for wire in wires]
    interfaces.links = [links.build(cable, granted) for cable in cables]
    for attachment in interfaces.attachments:
        interfaces.by_node[attachment.interface.namespace or ""].append(attachment.interface)
    for link in interfaces.links:
        interfaces.by_node[link.left.namespace or ""].append(link.left)
        interfaces.by_node[link.right.namespace or ""].append(link.right)
    return interfaces
