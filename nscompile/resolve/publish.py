"""Published ports: which address of the node the host passes a port on to, and through which interface."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from nscompile import syntax
from nscompile.diagnostics import Diagnostic
from nscompile.model import Publication
from nscompile.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Address, Bridge, IPAddress, IPNetwork, Segment
    from nscompile.resolve.interfaces import Interfaces
    from nscompile.resolve.scope import Scope


_DOOR = re.compile(r"(?:(?P<address>.+):)?(?P<port>[^:/]+)(?:/(?P<protocol>.+))?")


class _Door(NamedTuple):
    """What of the host a publication is about; no address means all of them."""

    address: IPAddress | None
    port: int
    protocol: str


class _Way(NamedTuple):
    """An address of a node that the host reaches directly: through which interface, in which prefix."""

    ip: IPAddress
    inside: str
    prefix: IPNetwork


def publications(interfaces: Interfaces, bridges: dict[str, Bridge], scope: Scope) -> tuple[Publication, ...]:
    return tuple(found for each in scope.publications for found in _publish(each, interfaces, bridges, scope))


def _publish(
    statement: syntax.Publish, interfaces: Interfaces, bridges: dict[str, Bridge], scope: Scope
) -> Iterator[Publication]:
    """One publication for each family that the host reaches the node in and that the statement is about."""
    door = _door(statement.port, scope)
    target_port = _target_port(statement, scope)
    node = scope.node(statement.node)
    if door is None or target_port is None or node is None:
        return
    name = statement.node.text
    families = (4, 6) if door.address is None else (door.address.version,)
    ways = {way.ip.version: way for way in reversed(list(_ways(name, interfaces, bridges)))}
    found = [ways[family] for family in families if family in ways]
    if not found and name not in scope.damaged:
        scope.diagnostics.add(_out_of_reach(statement, families, interfaces, bridges))
    for way in found:
        yield Publication(
            protocol=door.protocol,
            address=door.address,
            port=door.port,
            node=name,
            target=way.ip,
            target_port=target_port,
            inside=way.inside,
            prefix=way.prefix,
            span=statement.port.span,
        )


def _door(word: syntax.Word, scope: Scope) -> _Door | None:
    """Reads `[A:]PORT[/PROTOCOL]`; an IPv6 address may stand in brackets, which look like a range of one value."""
    found = _DOOR.fullmatch(word.text)
    if found is None:
        message, way_out = f"`{word.text}` is no port of the host", "write `PORT`, `PORT/udp` or `ADDRESS:PORT`"
        scope.diagnostics.add(Diagnostic("NSL701", message, word.span, help=way_out))
        return None

    def piece(name: str) -> syntax.Word:
        return syntax.Word(found[name], word.part(found.start(name), len(found[name])))

    ip = values.ip(piece("address"), scope.diagnostics) if found["address"] else None
    port = values.port(piece("port"), scope.diagnostics)
    protocol = found["protocol"] or "tcp"
    if protocol not in {"tcp", "udp"}:
        message = f"`{protocol}` is no protocol of a published port"
        scope.diagnostics.add(Diagnostic("NSL706", message, piece("protocol").span, help="write `tcp` or `udp`"))
        return None
    if port is None or (found["address"] and ip is None):
        return None
    return _Door(ip, port, protocol)


def _target_port(statement: syntax.Publish, scope: Scope) -> int | None:
    port, slash, protocol = statement.target.text.partition("/")
    if slash:
        message = "the protocol stands in the wrong place"
        host = statement.port.text.partition("/")[0]
        way_out = f"it stands with the port of the host: `publish {host}/{protocol} to {statement.node.text}:{port}`"
        scope.diagnostics.add(Diagnostic("NSL706", message, statement.target.span, help=way_out))
        return None
    return values.port(statement.target, scope.diagnostics)


def _ways(node: str, interfaces: Interfaces, bridges: dict[str, Bridge]) -> Iterator[_Way]:
    """Every way from the host to the node, in the order of the node's addresses."""
    doors = [(bridge.name, bridge.segment, bridge.addresses) for bridge in bridges.values() if bridge.namespace is None]
    doors += [(each.interface.name, each.interface.segment, each.interface.addresses) for each in interfaces.uplinks]
    for segment, addresses in _segments(node, interfaces, bridges):
        for address in addresses:
            for inside, outside, owned in doors:
                if segment == outside and not address.ip.is_link_local:
                    yield from (_Way(address.ip, inside, own.network) for own in owned if address.ip in own.network)


def _segments(
    node: str, interfaces: Interfaces, bridges: dict[str, Bridge]
) -> list[tuple[Segment, tuple[Address, ...]]]:
    own = [(each.segment, each.addresses) for each in interfaces.by_node[node]]
    return own + [(each.segment, each.addresses) for each in bridges.values() if each.namespace == node]


def _out_of_reach(
    statement: syntax.Publish, families: tuple[int, ...], interfaces: Interfaces, bridges: dict[str, Bridge]
) -> Diagnostic:
    node = statement.node.text
    on = [bridges[segment.bridge] for segment, _ in _segments(node, interfaces, bridges) if segment.bridge in bridges]
    if next(_ways(node, interfaces, bridges), None) is not None:
        message = f"the host reaches `{node}` over no IPv{families[0]} address"
        way_out = f"give both of them one, or publish at an IPv{10 - families[0]} address"
    elif not on:
        message = f"`{node}` is on no bridge, so the host cannot pass a port on to it"
        way_out = "plug it into a bridge of the host, or into one with an `uplink`"
    else:
        message = f"the host has no address on `{on[0].name}`, so it cannot pass a port on to `{node}`"
        way_out = f"give it one: `{'bridge' if on[0].namespace is None else 'uplink'} {on[0].name} ip A/L`"
    return Diagnostic("NSL702", message, statement.node.span, help=way_out)
