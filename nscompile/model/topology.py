"""The whole lab."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nscompile.model.devices import Vrf
from nscompile.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model.basics import Address, Interface, IPAddress, Port, Segment
    from nscompile.model.devices import Device
    from nscompile.model.nodes import Forwarding, Hosts, NameServers, Namespace, Program
    from nscompile.model.pairs import Attachment, Bridge, Link, Uplink
    from nscompile.model.policy import Masquerade, Policy, Publication
    from nscompile.source import Source


@dataclass(frozen=True, slots=True)
class Topology:
    """A whole lab; `damaged` names the namespaces of which a part could not be resolved."""

    name: str
    sources: tuple[Source, ...] = field(compare=False)
    namespaces: tuple[Namespace, ...]
    bridges: tuple[Bridge, ...]
    attachments: tuple[Attachment, ...]
    links: tuple[Link, ...]
    uplinks: tuple[Uplink, ...]
    devices: tuple[Device, ...]
    masquerades: tuple[Masquerade, ...]
    forwards: tuple[Forwarding, ...]
    programs: tuple[Program, ...]
    name_servers: tuple[NameServers, ...]
    hosts: Hosts | None
    publications: tuple[Publication, ...]
    policies: tuple[Policy, ...]
    damaged: frozenset[str] = field(compare=False)

    def interfaces(self) -> Iterator[Interface]:
        for attachment in self.attachments:
            yield attachment.interface
        for link in self.links:
            yield link.left
            yield link.right
        for uplink in self.uplinks:
            yield uplink.interface
        for device in self.devices:
            yield device.interface

    def ports(self) -> Iterator[Port]:
        for attachment in self.attachments:
            yield attachment.port
        for uplink in self.uplinks:
            yield uplink.port
        for device in self.devices:
            if device.port is not None:
                yield device.port

    def vrf_tables(self) -> dict[tuple[str | None, str], int]:
        """The table of each interface, by namespace and name, that is in a VRF."""
        vrfs = [device for device in self.devices if isinstance(device, Vrf)]
        return {(vrf.interface.namespace, member): vrf.table for vrf in vrfs for member in vrf.members}

    def addressed(self) -> Iterator[tuple[str | None, str, Segment, tuple[Address, ...]]]:
        """Namespace, name, segment and addresses of every interface on a segment, bridges among them."""
        for interface in self.interfaces():
            yield interface.namespace, interface.name, interface.segment, interface.addresses
        for bridge in self.bridges:
            yield bridge.namespace, bridge.name, bridge.segment, bridge.addresses

    def addresses(self) -> dict[str | None, list[IPAddress]]:
        """Of every namespace all the addresses that the lab gives it, those on lo last."""
        found: defaultdict[str | None, list[IPAddress]] = defaultdict(list)
        for home, _, _, addresses in self.addressed():
            found[home] += [address.ip for address in addresses]
        for namespace in self.namespaces:
            found[namespace.name] += [address.ip for address in namespace.loopback]
        return found
