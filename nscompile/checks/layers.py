"""Devices: what stands on what, whose members are whose, and tunnels that begin and end where they say."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic
from nscompile.model import Bond, Tunnel, VlanInterface, Vrf, Vxlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Interface, IPAddress, Topology
    from nscompile.source import Span


def port_has_no_address(topology: Topology) -> Iterator[Diagnostic]:
    """What a bridge's port receives goes to the bridge, so that nobody reaches an address on the port itself."""
    for device in topology.devices:
        for address in device.interface.addresses if device.port else ():
            bridge = device.port.bridge if device.port else ""
            yield Diagnostic(
                "NSL802",
                f"`{device.interface.name}` is a port of `{bridge}` and cannot be spoken to at `{address.ip}`",
                address.span,
                help=f"give the address to the bridge: `bridge {bridge} … ip {address}`",
            )


def one_master(topology: Topology) -> Iterator[Diagnostic]:
    """An interface is a member of one bond, VRF or bridge."""
    masters: dict[tuple[str | None, str], tuple[str, Span]] = {}
    for device in topology.devices:
        members = device.members if isinstance(device, Bond | Vrf) else ()
        joins = [(name, device.interface.name) for name in members]
        joins += [(device.port.name, device.port.bridge)] if device.port else []
        for name, master in joins:
            place = (device.interface.namespace, name)
            first, span = masters.setdefault(place, (master, device.interface.span))
            if span is not device.interface.span or first != master:
                yield Diagnostic(
                    "NSL802",
                    f"`{name}` cannot be part of `{first}` and of `{master}`",
                    device.interface.span,
                    also=((span, "the first is here"),),
                    help="an interface has one master: leave it out of one of them",
                )


def vrf_has_its_own_table(topology: Topology) -> Iterator[Diagnostic]:
    tables: dict[tuple[str | None, int], Vrf] = {}
    for vrf in (device for device in topology.devices if isinstance(device, Vrf)):
        first = tables.setdefault((vrf.interface.namespace, vrf.table), vrf)
        if first is not vrf:
            yield Diagnostic(
                "NSL804",
                f"`{vrf.interface.name}` and `{first.interface.name}` would share table {vrf.table}",
                vrf.interface.span,
                also=((first.interface.span, "the first is here"),),
                help="give each VRF of a node a table of its own",
            )


def trunk_carries_vlan(topology: Topology) -> Iterator[Diagnostic]:
    """What a port of a vlan-aware bridge does not carry never reaches the subinterface."""
    aware = {bridge.name for bridge in topology.bridges if bridge.vlan_aware}
    ports = {
        (each.interface.namespace, each.interface.name): each.port
        for each in topology.attachments
        if each.port.bridge in aware
    }
    for vlan in (device for device in topology.devices if isinstance(device, VlanInterface)):
        port = ports.get((vlan.interface.namespace, vlan.parent))
        if port is not None and not (port.in_trunk(vlan.id) and vlan.id != port.native):
            yield Diagnostic(
                "NSL404",
                f"`{port.bridge}` does not hand VLAN {vlan.id} to `{vlan.parent}` with its tag",
                vlan.interface.span,
                also=((port.span, "plugged in here"),),
                help=f"it comes untagged: use `{vlan.parent}` itself, or give that interface another `vlan`"
                if vlan.id == port.native
                else f"add `trunk {vlan.id}` to that interface",
            )


def tunnel_begins_at_home(topology: Topology) -> Iterator[Diagnostic]:
    own: defaultdict[str | None, set[IPAddress]] = defaultdict(set)
    for namespace in topology.namespaces:
        own[namespace.name] |= {address.ip for address in namespace.loopback}
    for home, _, _, addresses in topology.addressed():
        own[home] |= {address.ip for address in addresses}
    for device in topology.devices:
        if isinstance(device, Tunnel | Vxlan) and device.interface.namespace not in {None, *topology.damaged}:
            here = own[device.interface.namespace]
            remotes = device.remotes if isinstance(device, Vxlan) else (device.remote,)
            yield from _ends(device.interface, device.local, remotes, here)


def _ends(
    interface: Interface, local: IPAddress | None, remotes: tuple[IPAddress, ...], own: set[IPAddress]
) -> Iterator[Diagnostic]:
    if local is not None and local not in own:
        message = f"`{interface.name}` begins at `{local}`, which is no address of `{interface.namespace}`"
        way_out = f"`local` is one of {', '.join(f'`{ip}`' for ip in sorted(own, key=str)[:4])}" if own else None
        yield Diagnostic("NSL805", message, interface.span, help=way_out)
    for remote in remotes:
        if remote in own:
            message = f"`{interface.name}` ends at `{remote}`, which is an address of `{interface.namespace}` itself"
            yield Diagnostic("NSL805", message, interface.span, help="`remote` is the other end's address")
