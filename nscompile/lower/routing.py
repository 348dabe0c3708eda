"""Routes, rules, and what makes the host a gateway: forwarding and NAT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.lower.dispatch import lower, within
from nscompile.model import Forwarding
from nscompile.plan import Kind, Phase, Step, Undo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Namespace, Route

_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}


def route_steps(namespace: Namespace) -> Iterator[Step]:
    for route in namespace.routes:
        is_default = route.destination is None and route.via is not None and route.table in {None, "main"}
        yield Step(
            Phase.DEFAULT_ROUTES if is_default else Phase.ROUTES,
            within(namespace.name, *_ip(route.family), "route", "add", *_route(route)),
            "everything that is not connected goes to the gateway"
            if is_default
            else "static routes: what this node knows of networks that it is not connected to",
            route.span,
        )


def _route(route: Route) -> Iterator[str]:
    if route.via is None and route.device is None:
        yield "blackhole"
    yield "default" if route.destination is None else str(route.destination)
    if route.via is not None:
        yield from ("via", str(route.via))
    if route.device is not None:
        yield from ("dev", route.device)
    if route.metric is not None:
        yield from ("metric", str(route.metric))
    if route.table is not None:
        yield from ("table", route.table)


def rule_steps(namespace: Namespace) -> Iterator[Step]:
    for rule in namespace.rules:
        yield Step(
            Phase.RULES,
            within(namespace.name, *_ip(rule.family), "rule", "add", *rule.words),
            "policy routing: which table a packet is looked up in",
            rule.span,
        )


def _ip(family: int) -> tuple[str, ...]:
    return ("ip",) if family == 4 else ("ip", "-6")


@lower.register(Forwarding)
def _forwarding(forwarding: Forwarding) -> Iterator[Step]:
    key = _FORWARDING[forwarding.family]
    on_host = forwarding.namespace is None
    if forwarding.on:
        why = f"let {'the host' if on_host else 'the routers'} pass on packets that are for others"
    else:
        why = "a node with several interfaces is no router, even where the host is one"
    yield Step(
        Phase.FORWARDING if forwarding.on else Phase.NAMESPACE_SETTINGS,
        within(forwarding.namespace, "sysctl", f"{key}={int(forwarding.on)}"),
        why,
        forwarding.span,
        undo=Undo(Kind.SETTING, (key,), ("restore", key)) if on_host else None,
    )
