"""Bridges, and what makes one a gateway: source NAT and forwarding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.diagnostics import Diagnostic
from nscompile.model import Address, Bridge, Masquerade
from nscompile.resolve import values
from nscompile.resolve.scope import Scope, only

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nscompile.resolve.interfaces import Interfaces


def bridge(statement: syntax.Bridge, scope: Scope) -> Bridge:
    report = scope.diagnostics
    home = only(syntax.In, statement.clauses, report)
    ip = only(syntax.Ip, statement.clauses, report)
    mtu = only(syntax.Mtu, statement.clauses, report)
    return Bridge(
        name=statement.name.text,
        namespace=values.name(home.namespace, report) if home else None,
        addresses=values.addresses(ip.addresses, report) if ip else (),
        mtu=values.mtu(mtu.value, report) if mtu else None,
        stp=only(syntax.Stp, statement.clauses, report) is not None,
        vlan_aware=only(syntax.VlanAware, statement.clauses, report) is not None,
        span=statement.name.span,
    )


def masquerades(interfaces: Interfaces, bridges: dict[str, Bridge], scope: Scope) -> tuple[Masquerade, ...]:
    return (*_of_bridges(bridges, scope), *_of_uplinks(interfaces, scope))


def _of_bridges(bridges: dict[str, Bridge], scope: Scope) -> Iterator[Masquerade]:
    for statement in scope.bridges.values():
        nat = only(syntax.Nat, statement.clauses, scope.diagnostics)
        found = bridges[statement.name.text]
        if nat is None:
            continue
        if only(syntax.Ip, statement.clauses, scope.diagnostics) is None:
            message = f"`{found.name}` has no address, so nothing is routed through it that `nat` could masquerade"
            way_out = f"put `nat` on an uplink: `uplink {found.name} ip A/L nat`, or give the bridge an `ip`"
            scope.diagnostics.add(Diagnostic("NSL406", message, nat.span, help=way_out))
        elif found.namespace is not None and found.namespace not in scope.nodes:
            message = f"nothing leads out of `{found.namespace}`, where `nat` should masquerade"
            way_out = (
                f"declare `router {found.namespace}` with an interface to the outside, or put the bridge on the host"
            )
            scope.diagnostics.add(Diagnostic("NSL406", message, nat.span, help=way_out))
        else:
            yield from _masquerade(nat, found.namespace, found.addresses, found.name, scope)


def _of_uplinks(interfaces: Interfaces, scope: Scope) -> Iterator[Masquerade]:
    for nat, uplink in interfaces.nats:
        yield from _masquerade(nat, None, uplink.interface.addresses, uplink.interface.name, scope)


def _masquerade(
    nat: syntax.Nat, namespace: str | None, addresses: Iterable[Address], inside: str, scope: Scope
) -> Iterator[Masquerade]:
    out = values.interface_name(nat.via, scope.diagnostics) if nat.via else None
    for prefix in dict.fromkeys(address.network for address in addresses):
        yield Masquerade(namespace, prefix, out, inside, nat.via.span if nat.via else nat.span)
