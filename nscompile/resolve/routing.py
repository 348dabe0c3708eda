"""Routes: the default gateway that a node is offered or told, static routes, and policy rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.model import Route, Rule
from nscompile.resolve import values
from nscompile.resolve.scope import Scope, only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nscompile.model import IPAddress
    from nscompile.resolve.interfaces import Interfaces
    from nscompile.source import Span

_FAMILIES = (4, 6)

# What `ip rule` takes after each keyword: its form, and the numbers that may stand in it. See ip-rule(8); `from`, `to`,
# `table` and `priority` are read as types.
_PORTS = range(1, 2**16)
_RULE_VALUES = {
    "iif": (re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,14}"), None),
    "oif": (re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,14}"), None),
    "fwmark": (re.compile(r"(0x[0-9A-Fa-f]+|\d+)(?:/(0x[0-9A-Fa-f]+|\d+))?"), range(2**32)),
    "tos": (re.compile(r"(0x[0-9A-Fa-f]+|\d+)"), range(0, 0x1F, 2)),
    "ipproto": (re.compile(r"tcp|udp|icmp|ipv6-icmp|sctp|gre|esp|ah|(\d+)"), range(1, 256)),
    "sport": (re.compile(r"(\d+)(?:-(\d+))?"), _PORTS),
    "dport": (re.compile(r"(\d+)(?:-(\d+))?"), _PORTS),
    "uidrange": (re.compile(r"(\d+)-(\d+)"), range(2**32)),
}


def routes(statement: syntax.Node, interfaces: Interfaces, scope: Scope) -> tuple[Route, ...]:
    """The default routes first, then the others as they were written."""
    name = statement.name.text
    written = [
        route
        for clause in statement.clauses
        if isinstance(clause, syntax.Route) and (route := _route(clause, name, interfaces, scope)) is not None
    ]
    gateways, silent = _told(statement, scope)
    defaults: list[Route] = []
    for family in _FAMILIES:
        told = [(ip, span) for ip, span in gateways if ip.version == family]
        if len(told) > 1:
            also = ((told[0][1], "the first is here"),)
            message = f"`{name}` is given two IPv{family} gateways"
            way_out = "write the second as a route with a `metric`"
            scope.diagnostics.add(Diagnostic("NSL303", message, told[1][1], also=also, help=way_out))
        if told:
            ip, span = told[0]
            defaults.append(Route(None, ip, _device(ip, name, interfaces), None, None, family, span, span))
        elif not silent and not any(_is_default(route, family) for route in written):
            defaults += _offered(statement, family, interfaces, scope)
    return (*defaults, *written)


def _is_default(route: Route, family: int) -> bool:
    return route.destination is None and route.family == family and route.table in {None, "main"}


def _told(statement: syntax.Node, scope: Scope) -> tuple[list[tuple[IPAddress, Span]], bool]:
    """The gateways that the statement gives, and whether it refuses those on offer."""
    clauses = [clause for clause in statement.clauses if isinstance(clause, syntax.Gateway)]
    found = []
    for word in (word for clause in clauses for word in clause.addresses):
        ip = values.ip(word, scope.diagnostics)
        if ip is not None:
            found.append((ip, word.span))
    return found, any(not clause.addresses for clause in clauses)


def _offered(statement: syntax.Node, family: int, interfaces: Interfaces, scope: Scope) -> list[Route]:
    """The default route through the one gateway on the node's segments; several are the author's to choose from."""
    name = statement.name.text
    offers: dict[IPAddress, str] = {}
    for interface in interfaces.by_node[name]:
        bridge = interface.segment.bridge
        if bridge is None or interface.segment.vlan is not None or (name, interface.name) in interfaces.in_vrf:
            continue
        own = {address.network for address in interface.addresses if address.ip.version == family}
        taken = {address.ip for address in interface.addresses}
        for address, home in interfaces.gateways.get(bridge, ()):
            if address.network in own and home != name and address.ip not in taken:
                offers[address.ip] = bridge
    if len(offers) > 1:
        listed = " and ".join(f"{ip} on `{bridge}`" for ip, bridge in offers.items())
        scope.diagnostics.add(
            Diagnostic(
                "NSL303",
                f"`{name}` is offered more than one IPv{family} gateway: {listed}",
                statement.name.span,
                help=f"choose one with `gateway {next(iter(offers))}`, or none with `gateway none`",
            )
        )
    if len(offers) != 1:
        return []
    ip, span = next(iter(offers)), statement.name.span
    return [Route(None, ip, _device(ip, name, interfaces), None, None, family, span, span)]


def _device(via: IPAddress, node: str, interfaces: Interfaces) -> str | None:
    """A link-local next hop needs its interface named; where the node has but one, that is meant."""
    owned = interfaces.by_node[node]
    return owned[0].name if via.is_link_local and len(owned) == 1 else None


def _route(clause: syntax.Route, node: str, interfaces: Interfaces, scope: Scope) -> Route | None:
    report = scope.diagnostics
    via = only(syntax.Via, clause.clauses, report)
    dev = only(syntax.Dev, clause.clauses, report)
    blackhole = only(syntax.Blackhole, clause.clauses, report)
    metric = only(syntax.Metric, clause.clauses, report)
    table = only(syntax.Table, clause.clauses, report)
    if (via or dev) if blackhole else not (via or dev):
        what = "both leads on and drops" if blackhole else "does not say where to"
        message = f"the route to `{clause.destination.text}` {what}"
        way_out = "end it with `via A`, `dev IF` or `blackhole`"
        report.add(Diagnostic("NSL308", message, clause.span, help=way_out))
        return None
    next_hop = values.ip(via.address, report) if via else None
    is_default = clause.destination.text == "default"
    prefix = None if is_default else values.prefix(clause.destination, report)
    if (via and next_hop is None) or (prefix is None and not is_default):
        return None
    if prefix is not None and next_hop is not None and prefix.version != next_hop.version:
        message = f"a route to IPv{prefix.version} has an IPv{next_hop.version} next hop"
        also = ((clause.destination.span, f"IPv{prefix.version}"),)
        report.add(Diagnostic("NSL306", message, via.address.span if via else clause.span, also=also))
        return None
    known = prefix or next_hop
    device = values.name(dev.interface, report) if dev else None
    if device is None and next_hop is not None:
        device = _device(next_hop, node, interfaces)
    return Route(
        destination=prefix if prefix is not None and prefix.prefixlen else None,
        via=next_hop,
        device=device,
        metric=values.metric(metric.value, report) if metric else None,
        table=values.table(table.value, report) if table else None,
        family=known.version if known else 4,
        span=clause.destination.span,
        via_span=via.address.span if via else clause.destination.span,
    )


def rules(statement: syntax.Node, interfaces: Interfaces, scope: Scope) -> tuple[Rule, ...]:
    clauses = [clause for clause in statement.clauses if isinstance(clause, syntax.Rule)]
    owned = interfaces.by_node[statement.name.text]
    families = sorted({address.ip.version for interface in owned for address in interface.addresses}) or [4]
    return tuple(rule for clause in clauses for rule in _rule(clause, families, scope.diagnostics))


def _fits(key: str, text: str) -> bool:
    form, limits = _RULE_VALUES[key]
    found = form.fullmatch(text)
    if found is None or limits is None:
        return found is not None
    if any(number is not None and len(number) > 12 for number in found.groups()):
        return False
    numbers = [int(number, 16 if number.startswith("0x") else 10) for number in found.groups() if number is not None]
    in_order = key == "fwmark" or numbers == sorted(numbers)
    return in_order and all(number in limits for number in numbers)


def _rule(clause: syntax.Rule, families: Sequence[int], report: Diagnostics) -> list[Rule]:
    """One rule for each family: that of its prefixes, or where it names none those of the node's addresses."""
    words: list[str] = []
    versions: set[int] = set()
    for part in clause.parts:
        key, text = part.key.text, part.value.text if part.value else ""
        value: object | None = text
        if part.value is None:
            words.append(key)
            continue
        if key in {"from", "to"}:
            value = "all" if text == "all" else values.prefix(part.value, report)
            versions |= {6 if ":" in text else 4} if text != "all" else set()
        elif key == "table":
            value = values.table(part.value, report)
        elif key == "priority":
            value = values.number(part.value, "priority", range(2**32), report)
        elif not _fits(key, text):
            value = None
            report.add(Diagnostic("NSL402", f"`{text}` is no value of `{key}` in a rule", part.value.span))
        if value is None:
            return []
        words += [key, str(value)]
    if not {"table", "blackhole", "unreachable", "prohibit"} & {part.key.text for part in clause.parts}:
        message = "the rule does not say what happens to what it selects"
        report.add(
            Diagnostic("NSL309", message, clause.span, help="end it with `table T`, `blackhole` or `unreachable`")
        )
        return []
    if len(versions) > 1:
        report.add(Diagnostic("NSL306", "the rule speaks of IPv4 and of IPv6", clause.span, help="write two rules"))
        return []
    return [Rule(family, tuple(words), clause.span) for family in (versions or families)]
