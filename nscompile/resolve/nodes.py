"""Namespaces: the nodes and routers with their settings, and the homes of bridges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.diagnostics import Diagnostic
from nscompile.model import Bridge, Forwarding, Namespace, Setting
from nscompile.resolve import routing, values
from nscompile.resolve.scope import Scope, only

if TYPE_CHECKING:
    from nscompile.resolve.interfaces import Interfaces

# Only net.* belongs to a namespace; anything else would change the whole machine.
_KEY = re.compile(r"net([./][A-Za-z0-9_-]+)+")


def namespaces(interfaces: Interfaces, bridges: dict[str, Bridge], scope: Scope) -> tuple[Namespace, ...]:
    """The nodes in source order, then the homes of bridges that are no nodes."""
    found = {name: _node(statement, interfaces, scope) for name, statement in scope.nodes.items()}
    for bridge in bridges.values():
        if bridge.namespace is not None and bridge.namespace not in found:
            found[bridge.namespace] = _home(bridge.namespace, bridge)
    return tuple(found.values())


def forwards(interfaces: Interfaces, bridges: dict[str, Bridge], scope: Scope) -> tuple[Forwarding, ...]:
    """Who passes packets on: the host in the families in which it is a gateway, routers in all that the lab uses.

    A new namespace takes its IPv4 forwarding from the machine, so a node with two interfaces is told not to.
    """
    gateways = {
        gateway.address.ip.version: gateway.address.span
        for offered in interfaces.gateways.values()
        for gateway in offered
        if gateway.home is None
    }
    found = [Forwarding(None, family, True, gateways[family]) for family in sorted(gateways)]  # noqa: FBT003
    families = _families(interfaces, bridges, scope)
    homes = {bridge.namespace for bridge in bridges.values() if bridge.addresses}
    for name, statement in scope.nodes.items():
        told = isinstance(statement, syntax.Router) or only(syntax.Forward, statement.clauses, scope.diagnostics)
        if told:
            found += [Forwarding(name, family, True, statement.name.span) for family in families]  # noqa: FBT003
        elif len(interfaces.by_node[name]) + (name in homes) > 1 and 4 in families and not _sets_forwarding(statement):
            found.append(Forwarding(name, 4, False, statement.name.span))  # noqa: FBT003
    return tuple(found)


def _sets_forwarding(statement: syntax.Node) -> bool:
    settings = [clause.setting.text for clause in statement.clauses if isinstance(clause, syntax.Sysctl)]
    return any(re.match(r"net[./]ipv4[./](ip_forward|conf[./]all[./]forwarding)=", setting) for setting in settings)


def _families(interfaces: Interfaces, bridges: dict[str, Bridge], scope: Scope) -> tuple[int, ...]:
    """The families that the lab uses and its routers forward; IPv4 for a lab without any address."""
    owners = [*interfaces.by_node.values(), [uplink.interface for uplink in interfaces.uplinks]]
    used = {address.ip.version for owned in owners for each in owned for address in each.addresses}
    used |= {address.ip.version for bridge in bridges.values() for address in bridge.addresses}
    used |= {6 if ":" in word.text else 4 for node in scope.nodes.values() for word in _loopback(node)}
    return tuple(sorted(used)) or (4,)


def _loopback(statement: syntax.Node) -> tuple[syntax.Word, ...]:
    clauses = [clause for clause in statement.clauses if isinstance(clause, syntax.Loopback)]
    return tuple(word for clause in clauses for word in clause.addresses)


def _node(statement: syntax.Node, interfaces: Interfaces, scope: Scope) -> Namespace:
    return Namespace(
        name=statement.name.text,
        is_node=True,
        loopback=values.addresses(_loopback(statement), scope.diagnostics, on_lo=True),
        routes=routing.routes(statement, interfaces, scope),
        rules=routing.rules(statement, interfaces, scope),
        settings=_settings(statement, scope),
        span=statement.name.span,
    )


def _home(name: str, bridge: Bridge) -> Namespace:
    return Namespace(name=name, is_node=False, loopback=(), routes=(), rules=(), settings=(), span=bridge.span)


def _settings(statement: syntax.Node, scope: Scope) -> tuple[Setting, ...]:
    clauses = [clause for clause in statement.clauses if isinstance(clause, syntax.Sysctl)]
    found = [_setting(clause, scope) for clause in clauses]
    return tuple(setting for setting in found if setting is not None)


def _setting(clause: syntax.Sysctl, scope: Scope) -> Setting | None:
    key, equals, value = clause.setting.text.partition("=")
    if clause.string is not None:
        value = values.string(clause.string)

    if not equals or not value:
        message, way_out = f"`{clause.setting.text}` is no setting", "write `KEY=VALUE`, without spaces"
    elif not _KEY.fullmatch(key):
        message, way_out = f"`{key}` is no setting of a namespace", "only the keys below `net.` are a namespace's own"
    elif not value.isprintable():
        message, way_out = f"the value of `{key}` has a character that cannot be printed", "write plain text"
    else:
        return Setting(key, value, clause.span)
    scope.diagnostics.add(Diagnostic("NSL410", message, clause.setting.span, help=way_out))
    return None
