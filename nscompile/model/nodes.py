"""Namespaces: their routes and settings, what runs in them and what they know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.records import dataclass, field

if TYPE_CHECKING:
    from nscompile.model.basics import Address, Given, IPAddress, IPNetwork
    from nscompile.source import Span


@dataclass(frozen=True, slots=True)
class Route:
    """A route of a namespace; `destination` of None is the default route, no next hop and no device a blackhole."""

    destination: IPNetwork | None
    via: IPAddress | None
    device: str | None
    metric: int | None
    table: str | None
    family: int
    span: Span = field(compare=False)
    via_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing policy rule: `words` are what `ip rule add` takes."""

    family: int
    words: tuple[str, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Setting:
    key: str
    value: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A node, a router, or the home of a bridge."""

    name: str
    is_node: bool
    loopback: tuple[Address, ...]
    routes: tuple[Route, ...]
    rules: tuple[Rule, ...]
    settings: tuple[Setting, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Whether a namespace, or the host, passes on packets of a family (4 or 6) that are not for itself."""

    namespace: str | None
    family: int
    on: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Program:
    """A command for a shell that is started in a namespace once the lab is built."""

    namespace: str
    command: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class NameServers:
    """Whom a namespace asks for names, the first that answers."""

    namespace: str
    servers: tuple[Given[IPAddress], ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Hosts:
    """That every node knows the others by name."""

    span: Span = field(compare=False)
