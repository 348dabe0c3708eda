"""Devices in one namespace: dummies, VLANs, macvlans and ipvlans, bonds, VRFs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.lower.dispatch import device, lower, within
from nscompile.lower.interfaces import deleted, plugged, settled
from nscompile.model import Bond, Dummy, Macvlan, Phys, VlanInterface, Vrf
from nscompile.plan import Kind, Need, Phase, Step, Undo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Device
    from nscompile.plan import Command

# The greatest metric that leaves room for others below it; Documentation/networking/vrf.rst.
_LAST_METRIC = "4278198272"

# What `ip link add` must be told at the least, where that is anything.
_LEAST: dict[str, tuple[str, ...]] = {"vrf": ("table", "1")}

_LINK_MONITOR = ("miimon", "100")  # milliseconds; without it a bond would not notice a dead member


@lower.register(Dummy)
def _dummy(dummy: Dummy) -> Iterator[Step]:
    yield created(dummy, "a dummy leads nowhere: a place for addresses that are always up", ("type", "dummy"))
    yield from finished(dummy)


@lower.register(VlanInterface)
def _vlan(vlan: VlanInterface) -> Iterator[Step]:
    why = "a VLAN subinterface sends and takes the frames with its tag (802.1Q)"
    kind = ("type", "vlan", "id", str(vlan.id))
    yield created(vlan, why, kind, _upon_another("VLANs", "vlan id 1"), vlan.parent)
    yield from finished(vlan)


@lower.register(Macvlan)
def _macvlan(macvlan: Macvlan) -> Iterator[Step]:
    kind, home = macvlan.kind, macvlan.interface.namespace
    if kind == "macvlan":
        why = "a macvlan is one more interface on the same cable, with a MAC address of its own"
    else:
        why = "an ipvlan is one more interface on the same cable, under the MAC address that is there"
    options = ("type", kind, "mode", macvlan.mode)
    need = _upon_another(f"{kind}s", kind)
    if macvlan.on_host and home is not None:
        # Seen from the host, where the parent is; the new interface is in its namespace from the start.
        name = macvlan.interface.name
        command = ("ip", "link", "add", "link", macvlan.parent, "name", name, "netns", home, *options)
        # Deleted with its namespace it would go some time later, and the parent take frames for it until then.
        undo = Undo(Kind.INSIDE, (home,), within(home, "ip", "link", "del", *device(name)))
        yield Step(Phase.DEVICES, command, why, macvlan.interface.span, undo=undo, need=need)
    else:
        yield created(macvlan, why, options, need, macvlan.parent)
    yield from finished(macvlan)


@lower.register(Bond)
def _bond(bond: Bond) -> Iterator[Step]:
    why = "a bond makes one interface of several: when one of them fails, the others carry on"
    yield created(bond, why, ("type", "bond", "mode", bond.mode, *_LINK_MONITOR))
    for member in bond.members:
        yield _joined(bond, member, "its members join while they are down; the bond speaks for them")
    yield from finished(bond)


@lower.register(Vrf)
def _vrf(vrf: Vrf) -> Iterator[Step]:
    why = "a VRF is a routing table of its own for the interfaces in it"
    table, home = str(vrf.table), vrf.interface.namespace
    yield created(vrf, why, ("type", "vrf", "table", table))
    for member in vrf.members:
        yield _joined(vrf, member, "the interfaces of each VRF")
    for family in vrf.families:
        ip = ("ip",) if family == 4 else ("ip", "-6")
        yield Step(
            Phase.ROUTES,
            within(home, *ip, "route", "add", "unreachable", "default", "metric", _LAST_METRIC, "table", table),
            "what a VRF knows no route for ends there, and is not looked up in the main table",
            vrf.interface.span,
        )
    yield from finished(vrf)


@lower.register(Phys)
def _phys(phys: Phys) -> Iterator[Step]:
    name, home, span = phys.interface.name, phys.interface.namespace or "", phys.interface.span
    why = "an interface of the host itself, lent for as long as the lab is up"
    back = Undo(Kind.LOAN, (phys.lent,), ("give_back", phys.lent, home, name))
    yield Step(Phase.LOANS, ("ip", "link", "set", *device(phys.lent), "netns", home), why, span, undo=back)
    if name != phys.lent:
        renamed = within(home, "ip", "link", "set", *device(phys.lent), "name", name)
        yield Step(Phase.LOANS, renamed, why, span)
    yield from finished(phys)


def created(made: Device, why: str, options: Command, need: Need | None = None, parent: str | None = None) -> Step:
    """The command that makes a device, by `ip link add` with these options, where it has one on its parent."""
    name, home = made.interface.name, made.interface.namespace
    kind = options[1]
    return Step(
        Phase.DEVICES,
        within(home, "ip", "link", "add", *(("link", parent) if parent else ()), "name", name, *options),
        why,
        made.interface.span,
        undo=deleted(name) if home is None else None,
        need=need or Need(f"{kind} devices", ("ip", "link", "add", "name", "a", "type", kind, *_LEAST.get(kind, ()))),
    )


def finished(made: Device) -> Iterator[Step]:
    yield from settled(made.interface, Phase.UP_DEVICES)
    if made.port is not None:
        yield from plugged(made.port)


def _joined(master: Device, member: str, why: str) -> Step:
    command = ("ip", "link", "set", *device(member), "master", master.interface.name)
    return Step(Phase.MEMBERS, within(master.interface.namespace, *command), why, master.interface.span)


def _upon_another(what: str, kind: str) -> Need:
    """Tried on a bridge, since nothing else in an empty namespace bears another interface."""
    return Need(what, ("sh", "-c", f"ip link add name a type bridge && ip link add name b link a type {kind}"))
