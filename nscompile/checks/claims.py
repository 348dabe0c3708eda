"""Devices that the kernel could not tell apart, and interfaces that two of them want for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nscompile.diagnostics import Diagnostic
from nscompile.model import Macvlan, Phys, Tunnel, VlanInterface, Vxlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Device, Topology
    from nscompile.source import Span


class _Identity(NamedTuple):
    """By what the kernel knows a device besides its name, and how to make it another."""

    is_: str
    way_out: str


def twice_the_same(topology: Topology) -> Iterator[Diagnostic]:
    first: dict[tuple[str | None, _Identity], Device] = {}
    for device in topology.devices:
        identity = _identity(device)
        other = first.setdefault((device.interface.namespace, identity), device) if identity else device
        if identity and other is not device:
            yield Diagnostic(
                "NSL808",
                f"`{device.interface.name}` and `{other.interface.name}` would both be {identity.is_}",
                device.interface.span,
                also=((other.interface.span, "the first is here"),),
                help=identity.way_out,
            )


def _identity(device: Device) -> _Identity | None:
    match device:
        case VlanInterface(parent=parent, id=number):
            return _Identity(f"VLAN {number} on `{parent}`", "leave one out, or give it another VLAN")
        case Vxlan(id=number, udp_port=port):
            ends = [*device.remotes, device.group or device.local]
            over = " over IPv6" if any(end is not None and end.version == 6 for end in ends) else ""
            return _Identity(
                f"VXLAN {number} at port {port}{over}", "give one another `id`, or make one of the two, with all peers"
            )
        case Tunnel(kind=kind, key=key):
            keyed = f" with key {key}" if key is not None else ""
            way_out = "leave one out" if kind in {"ipip", "sit"} else "give each a `key` of its own"
            return _Identity(
                f"the {kind.removeprefix('ip6')} tunnel from `{device.local}` to `{device.remote}`{keyed}", way_out
            )
        case _:
            return None


def parent_bears_both(topology: Topology) -> Iterator[Diagnostic]:
    """All that stand on one interface are macvlans, or ipvlans of one mode; a passthru is alone."""
    first: dict[tuple[str | None, str], Macvlan] = {}
    for device in (each for each in topology.devices if isinstance(each, Macvlan)):
        home = None if device.on_host else device.interface.namespace
        other = first.setdefault((home, device.parent), device)
        if device.kind != other.kind:
            rule = "an interface bears macvlans or ipvlans, not both"
        elif "passthru" in {device.mode, other.mode}:
            rule = "a macvlan with `mode passthru` is alone on its interface"
        elif device.kind == "ipvlan" and device.mode != other.mode:
            rule = "all ipvlans on an interface have one mode"
        else:
            continue
        if other is not device:
            yield Diagnostic(
                "NSL802",
                f"`{device.interface.name}` and `{other.interface.name}` cannot both stand on `{device.parent}`",
                device.interface.span,
                also=((other.interface.span, "the first is here"),),
                notes=(rule,),
                help="make them alike, or put one of them on another interface",
            )


def lent_to_one(topology: Topology) -> Iterator[Diagnostic]:
    lent: dict[str, Phys] = {}
    loans = [device for device in topology.devices if isinstance(device, Phys)]
    again = [(each.lent, each.interface.span) for each in loans if lent.setdefault(each.lent, each) is not each]
    for name, span in [*again, *_used_on_host(topology)]:
        if name in lent:
            phys = lent[name].interface
            yield Diagnostic(
                "NSL802",
                f"`{name}` is lent to `{phys.namespace}`, and nobody else can use it",
                span,
                also=((phys.span, "lent here"),),
                help="use another interface of the host",
            )


def _used_on_host(topology: Topology) -> Iterator[tuple[str, Span]]:
    for rule in topology.masquerades:
        if rule.namespace is None and rule.out is not None:
            yield rule.out, rule.span
    for device in topology.devices:
        match device:
            case Macvlan(on_host=True, parent=name):
                yield name, device.interface.span
            case VlanInterface(parent=name) | Vxlan(underlay=str(name)) if device.interface.namespace is None:
                yield name, device.interface.span
            case _:
                pass
