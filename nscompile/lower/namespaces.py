"""Namespaces: nodes, routers and the homes of bridges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.lower.dispatch import lower, within
from nscompile.lower.routing import route_steps, rule_steps
from nscompile.model import Namespace
from nscompile.plan import Kind, Phase, Step, Undo

if TYPE_CHECKING:
    from collections.abc import Iterator


@lower.register(Namespace)
def _namespace(namespace: Namespace) -> Iterator[Step]:
    name, span = namespace.name, namespace.span
    yield Step(
        Phase.NAMESPACES,
        ("ip", "netns", "add", name),
        "each namespace is a network stack of its own: interfaces, addresses, routes and rules",
        span,
        undo=Undo(Kind.NAMESPACE, (name,), ("ip", "netns", "del", name)),
    )
    for setting in namespace.settings:
        yield Step(
            _setting_phase(setting.key),
            within(name, "sysctl", f"{setting.key}={setting.value}"),
            "kernel settings that the lab asks for, each in its namespace alone",
            setting.span,
        )
    yield Step(
        Phase.UP_LOOPBACKS,
        within(name, "ip", "link", "set", "lo", "up"),
        "a new namespace has its lo down, and could not even reach its own addresses",
        span,
    )
    for address in namespace.loopback:
        yield Step(
            Phase.ADDRESSES,
            within(name, "ip", "address", "add", str(address), "dev", "lo"),
            "an address on lo belongs to the node as a whole, whichever interface is up",
            address.span,
        )
    yield from route_steps(namespace)
    yield from rule_steps(namespace)


def _setting_phase(key: str) -> Phase:
    """Before the interfaces arrive, so that defaults hold for them; a key that names one must wait for it.

    It comes last of all, since setting forwarding resets some of them.
    """
    pieces = key.replace("/", ".").split(".")
    names_interface = "conf" in pieces[:-1] and pieces[pieces.index("conf") + 1] not in {"all", "default", "lo"}
    names_interface |= "neigh" in pieces[:-1] and pieces[pieces.index("neigh") + 1] not in {"default", "lo"}
    return Phase.LATE_SETTINGS if names_interface else Phase.NAMESPACE_SETTINGS
