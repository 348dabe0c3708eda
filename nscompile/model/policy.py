"""Who may talk to whom, and under which address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.records import dataclass, field

if TYPE_CHECKING:
    from nscompile.model.basics import IPAddress, IPNetwork
    from nscompile.source import Span


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Source NAT for what leaves `prefix`: through the interface `out`, or by any other than `inside`."""

    namespace: str | None
    prefix: IPNetwork
    out: str | None
    inside: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Publication:
    """A port of the host, at `address` or at all that it has of the family, that leads to a port of a node.

    `inside` is the host's interface that the node is behind, `prefix` what the two share there.
    """

    protocol: str
    address: IPAddress | None
    port: int
    node: str
    target: IPAddress
    target_port: int
    inside: str
    prefix: IPNetwork
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a policy rule: a node, a prefix, or with neither anybody."""

    node: str | None = None
    prefix: IPNetwork | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Whether new connections from `source` to `target` are let through; `ports` are the first and the last.

    `is_last` if no `deny` follows.
    """

    allow: bool
    source: Peer
    target: Peer
    protocol: str | None
    ports: tuple[int, int] | None
    is_last: bool
    span: Span = field(compare=False)
