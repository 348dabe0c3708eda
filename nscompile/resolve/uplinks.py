"""Uplinks: the veth pair between the host and a bridge in a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.diagnostics import Diagnostic
from nscompile.model import Interface, Port, Uplink
from nscompile.records import dataclass
from nscompile.resolve import values
from nscompile.resolve.scope import Scope, only

if TYPE_CHECKING:
    from nscompile.model import Address, Bridge, Given
    from nscompile.resolve.naming import Key, Names


@dataclass(frozen=True, slots=True)
class Riser:
    """An uplink before names are granted."""

    statement: syntax.Uplink
    nat: syntax.Nat | None
    bridge: Bridge
    addresses: tuple[Address, ...]
    mtu: Given[int] | None
    interface: str | Key
    port: Key


def read(bridges: dict[str, Bridge], names: Names, scope: Scope) -> list[Riser]:
    # Numbered in the order of their bridges' names, so that the order of statements names nothing.
    known = [statement for statement in scope.uplinks if scope.bridge(statement.bridge) is not None]
    numbered = sorted(known, key=lambda statement: statement.bridge.text)
    numbers = {id(statement): number for number, statement in enumerate(numbered, 1)}
    return [
        _read(statement, bridges[statement.bridge.text], numbers[id(statement)], names, scope) for statement in known
    ]


def _read(statement: syntax.Uplink, bridge: Bridge, number: int, names: Names, scope: Scope) -> Riser:
    ip = only(syntax.Ip, statement.clauses, scope.diagnostics)
    mtu = only(syntax.Mtu, statement.clauses, scope.diagnostics)
    if ip is None or not ip.addresses:
        message = f"the uplink of `{bridge.name}` has no address"
        way_out = "give it the address of the gateway: `ip 192.0.2.254/24`, say"
        scope.diagnostics.add(Diagnostic("NSL409", message, statement.span, help=way_out))
    if bridge.namespace is None:
        message = f"`{bridge.name}` is on the host already, so it needs no uplink"
        way_out = f"give the bridge the address itself: `bridge {bridge.name} ip A/L nat`"
        also = ((bridge.span, "declared here, without `in`"),)
        scope.diagnostics.add(Diagnostic("NSL407", message, statement.bridge.span, also=also, help=way_out))
    given = only(syntax.As, statement.clauses, scope.diagnostics)
    name = values.interface_name(given.name, scope.diagnostics) if given else None
    if name:
        names.taken.add(name)
    stem = "rt" if number == 1 else f"rt{number}"
    return Riser(
        statement,
        only(syntax.Nat, statement.clauses, scope.diagnostics),
        bridge,
        values.addresses(ip.addresses, scope.diagnostics) if ip else (),
        values.mtu(mtu.value, scope.diagnostics) if mtu else None,
        name or names.wish(stem, bridge.name, "interface", f"{stem}-veth"),
        names.wish(stem, bridge.name, "port", f"{stem}-{bridge.name}"),
    )


def build(riser: Riser, granted: dict[Key, str]) -> Uplink:
    bridge, span = riser.bridge, riser.statement.bridge.span
    interface = Interface(
        name=riser.interface if isinstance(riser.interface, str) else granted[riser.interface],
        namespace=None,
        segment=bridge.segment,
        addresses=riser.addresses,
        in_place=False,
        mac=None,
        mtu=riser.mtu,
        span=span,
    )
    port = Port(granted[riser.port], bridge.namespace, bridge.name, None, (), riser.mtu, span)
    return Uplink(interface, port, riser.statement.span)
