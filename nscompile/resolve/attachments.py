"""Attachments: the veth pair between a node and a bridge, with explicit or automatic addresses."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from nscompile import syntax
from nscompile.model import NATIVE_VLAN, Attachment, Interface, Port, Segment
from nscompile.records import dataclass
from nscompile.resolve import values
from nscompile.resolve.addressing import pools_of
from nscompile.resolve.impairments import impairment
from nscompile.resolve.scope import Scope, only

if TYPE_CHECKING:
    from nscompile.model import Address, Bridge, Given, Impairment, IPNetwork
    from nscompile.resolve.naming import Key, Names


@dataclass(slots=True)
class Wire:
    """An attachment before names are granted; `addresses` of None are still to be drawn.

    `interface` is a name that is settled already, or the key of one that is wished for.
    """

    node: str
    statement: syntax.Attachment
    bridge: Bridge
    addresses: tuple[Address, ...] | None
    mac: Given[str] | None
    mtu: Given[int] | None
    vlan: Given[int] | None
    trunk: tuple[Given[str], ...]
    impairment: Impairment | None
    interface: str | Key
    port: Key


class _Place(NamedTuple):
    """Where a wire is: on which bridge, and its number among the node's, from 0, and among those there, from 1."""

    bridge: Bridge
    number: int
    nth: int


def read(bridges: dict[str, Bridge], names: Names, scope: Scope) -> list[Wire]:
    wires: list[Wire] = []
    for node in scope.nodes.values():
        on_bridge: Counter[str] = Counter()
        statements = [clause for clause in node.clauses if isinstance(clause, syntax.Attachment)]
        for index, statement in enumerate(statements):
            if scope.bridge(statement.bridge, node.name.text) is not None:
                bridge = bridges[statement.bridge.text]
                on_bridge[bridge.name] += 1
                place = _Place(bridge, index, on_bridge[bridge.name])
                wires.append(_read(node.name.text, statement, place, names, scope))
    return wires


def _read(node: str, statement: syntax.Attachment, place: _Place, names: Names, scope: Scope) -> Wire:
    report = scope.diagnostics
    mac = only(syntax.Mac, statement.clauses, report)
    mtu = only(syntax.Mtu, statement.clauses, report)
    vlan = only(syntax.Vlan, statement.clauses, report)
    trunk = only(syntax.Trunk, statement.clauses, report)
    given = only(syntax.As, statement.clauses, report)
    natural = f"{node}-veth{place.number}"
    name = values.interface_name(given.name, report) if given else None
    if given is None and len(natural) > values.LONGEST_INTERFACE:
        name = f"veth{place.number}"
    port = f"{node}-{place.bridge.name}" + (f"-{place.nth}" if place.nth > 1 else "")
    wire = Wire(
        node=node,
        statement=statement,
        bridge=place.bridge,
        addresses=values.addresses(statement.ip.addresses, report) if statement.ip else None,
        mac=values.mac(mac.value, report) if mac else None,
        mtu=values.mtu(mtu.value, report) if mtu else None,
        vlan=values.vlan(vlan.value, report) if vlan else None,
        trunk=values.vlans(trunk.vlans, report) if trunk else (),
        impairment=impairment(statement.clauses, report),
        interface=name or names.wish(node, natural, "interface", natural),
        port=names.wish(node, name or natural, "port", None if given and place.bridge.namespace is None else port),
    )
    unread = statement.ip is not None and len(wire.addresses or ()) < len(statement.ip.addresses)
    if unread or (mtu is not None and wire.mtu is None):
        scope.damaged.add(node)
    return wire


def draw(wires: list[Wire], gateways: dict[str, list[Address]], scope: Scope) -> None:
    """Give the automatic interfaces their addresses, in source order."""
    explicit: defaultdict[str, list[Address]] = defaultdict(list)
    for wire in wires:
        explicit[wire.bridge.name] += wire.addresses or ()
    pools = {
        name: pools_of(name, _nets(statement, scope), gateways[name], explicit[name])
        for name, statement in scope.bridges.items()
    }
    for wire in wires:
        if wire.addresses is None:
            drawn = pools[wire.bridge.name].draw(wire.node, wire.statement.bridge.span, scope.diagnostics)
            if drawn is None:
                scope.damaged.add(wire.node)
            wire.addresses = drawn or ()


def _nets(bridge: syntax.Bridge, scope: Scope) -> list[IPNetwork]:
    nets = only(syntax.Net, bridge.clauses, scope.diagnostics)
    found = [values.prefix(word, scope.diagnostics) for word in (nets.prefixes if nets else ())]
    return [prefix for prefix in found if prefix is not None]


def build(wire: Wire, granted: dict[Key, str]) -> Attachment:
    bridge, span = wire.bridge, wire.statement.bridge.span
    given = next((clause for clause in wire.statement.clauses if isinstance(clause, syntax.As)), None)
    in_place = isinstance(wire.interface, str)
    interface = Interface(
        name=wire.interface if isinstance(wire.interface, str) else granted[wire.interface],
        namespace=wire.node,
        segment=_segment(bridge, wire.vlan),
        addresses=wire.addresses or (),
        in_place=in_place,
        mac=wire.mac,
        mtu=wire.mtu,
        span=given.name.span if given else span,
        impairment=wire.impairment,
    )
    port = Port(granted[wire.port], bridge.namespace, bridge.name, wire.vlan, wire.trunk, wire.mtu, span)
    return Attachment(interface, port)


def _segment(bridge: Bridge, vlan: Given[int] | None) -> Segment:
    if vlan is None or vlan.value == NATIVE_VLAN:
        return bridge.segment
    number = vlan.value
    return Segment(f"{bridge.name} vlan {number}", f"VLAN {number} of `{bridge.name}`", bridge.name, number)
