"""Veth pairs and bridges: attachments, links, uplinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.lower.dispatch import device, lower, within
from nscompile.lower.interfaces import added, deleted, plugged, resized, settled, up
from nscompile.model import Attachment, Bridge, Interface, Link, Port, Uplink
from nscompile.plan import Need, Phase, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.plan import Command


_FILTERING = ("ip", "link", "add", "name", "a", "type", "bridge", "vlan_filtering", "1")


@lower.register(Attachment)
def _attachment(attachment: Attachment) -> Iterator[Step]:
    interface, port = attachment.interface, attachment.port
    yield _pair(port, interface) if interface.in_place else _pair(interface, port)
    yield from _arrive(interface)
    if port.namespace is not None:
        yield _move(Phase.MOVE_PORTS, port.name, port.namespace, port)
    yield from resized(port)
    yield Step(Phase.UP_PORTS, up(port.namespace, port.name), "the other ends, at the bridges", port.span)
    yield from plugged(port)


@lower.register(Link)
def _link(link: Link) -> Iterator[Step]:
    left, right = link.left, link.right
    yield _pair(left, right)
    yield from _arrive(left)
    yield from _arrive(right)


@lower.register(Uplink)
def _uplink(uplink: Uplink) -> Iterator[Step]:
    interface, port = uplink.interface, uplink.port
    why = f"one more pair, between the host and {port.bridge}: the host's end is the gateway of the nodes there"
    commands: list[Command] = [
        ("ip", "link", "add", "name", interface.name, "type", "veth", "peer", "name", port.name),
        *(each.do for each in resized(interface)),
        ("ip", "link", "set", *device(interface.name), "up"),
        *(("ip", "addr", *added(address, interface.name)) for address in interface.addresses),
        ("ip", "link", "set", *device(port.name), "netns", port.namespace or ""),
        within(port.namespace, "ip", "link", "set", "dev", port.name, "master", port.bridge),
        *(each.do for each in resized(port)),
        up(port.namespace, port.name),
    ]
    for number, command in enumerate(commands):
        first = number == 0
        yield Step(
            Phase.UPLINKS,
            command,
            why,
            uplink.span,
            undo=deleted(interface.name) if first else None,
            passing=(port.name,) if first else (),
        )


@lower.register(Bridge)
def _bridge(bridge: Bridge) -> Iterator[Step]:
    home, name = bridge.namespace, bridge.name
    why = "a bridge is a switch: it passes frames between its ports"
    if bridge.addresses:
        why += "; with an address it is also the gateway of what is plugged in"
    options = [*(("stp_state", "1") if bridge.stp else ()), *(("vlan_filtering", "1") if bridge.vlan_aware else ())]
    commands: list[Command] = [
        within(home, "ip", "link", "add", "dev", name, "type", "bridge", *options),
        *((within(home, "ip", "link", "set", *device(name), "mtu", str(bridge.mtu.value)),) if bridge.mtu else ()),
        up(home, name),
        *(within(home, "ip", "address", *added(address, name)) for address in bridge.addresses),
    ]
    for number, command in enumerate(commands):
        made_on_host = home is None and number == 0
        yield Step(
            Phase.BRIDGES,
            command,
            why,
            bridge.span,
            undo=deleted(name) if made_on_host else None,
            need=Need("bridges that filter VLANs", _FILTERING) if bridge.vlan_aware else None,
        )


def _pair(first: Interface | Port, second: Interface | Port) -> Step:
    """The command that makes both ends; one that could not stand on the host is made in its namespace at once."""
    command: Command = ("ip", "link", "add", *(("name", first.name) if _apart(first) else device(first.name)))
    command += (*_place(first), "type", "veth", "peer", "name", second.name, *_place(second))
    on_host = [end for end in (first, second) if not _apart(end)]
    lasting = next((end.name for end in on_host if end.namespace is None), None)
    return Step(
        Phase.PAIRS,
        command,
        "a veth pair is a cable: what goes in at one end comes out at the other",
        first.span,
        undo=deleted(lasting) if lasting else None,
        passing=tuple(end.name for end in on_host if end.name != lasting),
    )


def _apart(end: Interface | Port) -> bool:
    """Whether an end is made in its namespace at once."""
    return isinstance(end, Interface) and end.in_place


def _place(end: Interface | Port) -> Command:
    return ("netns", end.namespace or "") if _apart(end) else ()


def _arrive(interface: Interface) -> Iterator[Step]:
    """What the end in a node goes through: moved, then settled."""
    if interface.namespace is not None and not interface.in_place:
        yield _move(Phase.MOVE_INTERFACES, interface.name, interface.namespace, interface)
    yield from settled(interface)


def _move(phase: Phase, name: str, namespace: str, end: Interface | Port) -> Step:
    return Step(
        phase,
        ("ip", "link", "set", *device(name), "netns", namespace),
        "new interfaces stand on the host; each end goes to the namespace it is for",
        end.span,
    )
