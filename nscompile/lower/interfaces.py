"""What every interface goes through, whatever kind it is: set, up, addressed, plugged into a bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.lower.dispatch import device, within
from nscompile.model import NATIVE_VLAN, Address, Interface, Port
from nscompile.plan import Kind, Phase, Step, Undo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.plan import Command


_WHY_UP = {
    Phase.UP_INTERFACES: "an interface is made down",
    Phase.UP_DEVICES: "devices come up after what they stand on",
}


def deleted(name: str) -> Undo:
    return Undo(Kind.INTERFACE, (name,), ("ip", "link", "del", *device(name)))


def settled(interface: Interface, phase: Phase = Phase.UP_INTERFACES) -> Iterator[Step]:
    """Its MAC address and MTU, up in `phase`, and its addresses."""
    name, home, span = interface.name, interface.namespace, interface.span
    if interface.mac is not None:
        yield Step(
            Phase.INTERFACE_SETTINGS,
            within(home, "ip", "link", "set", *device(name), "address", interface.mac.value),
            "MAC addresses that the lab asks for; the others are drawn by the kernel",
            span,
        )
    yield from resized(interface)
    yield Step(phase, up(home, name), _WHY_UP[phase], span)
    for address in interface.addresses:
        yield Step(
            Phase.ADDRESSES,
            within(home, "ip", "address", *added(address, name)),
            "with an address comes the route to its prefix",
            address.span,
        )


def resized(end: Interface | Port) -> Iterator[Step]:
    if end.mtu is not None:
        yield Step(
            Phase.INTERFACE_SETTINGS,
            within(end.namespace, "ip", "link", "set", *device(end.name), "mtu", str(end.mtu.value)),
            "the largest packet, in bytes, the same at both ends",
            end.span,
        )


def plugged(port: Port) -> Iterator[Step]:
    """The port at its bridge, in the VLANs that are its own."""
    plug = within(port.namespace, "ip", "link", "set", *device(port.name), "master", port.bridge)
    yield Step(Phase.PORTS, plug, "plug the ends into their bridge", port.span)
    if port.trunk:
        why = "a trunk: frames of these VLANs pass with their tag, untagged ones are in its own VLAN"
    else:
        why = "an access port: its untagged frames are in one VLAN, and it hears no other"
    if port.native != NATIVE_VLAN:
        yield _vlan(port, why, "del", str(NATIVE_VLAN))
    for vlans in port.trunk:
        yield _vlan(port, why, "add", vlans.value)
    # Last: a range of the trunk may hold it, and would have it tagged.
    if port.native != NATIVE_VLAN or port.in_trunk(NATIVE_VLAN):
        yield _vlan(port, why, "add", str(port.native), "pvid", "untagged")


def _vlan(port: Port, why: str, verb: str, vlans: str, *flags: str) -> Step:
    command = within(port.namespace, "bridge", "vlan", verb, "dev", port.name, "vid", vlans, *flags)
    return Step(Phase.VLANS, command, why, port.span)


def up(namespace: str | None, name: str) -> Command:
    return within(namespace, "ip", "link", "set", *device(name), "up")


def added(address: Address, name: str) -> Command:
    """`nodad`: an IPv6 address could not be used for two seconds while the kernel looks for its double."""
    return ("add", str(address), "dev", name, *(("nodad",) if address.ip.version == 6 else ()))
