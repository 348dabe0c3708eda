"""WireGuard: what the kernel takes without a word, and then lets nothing through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic
from nscompile.model import Wireguard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import IPNetwork, Topology


def _wireguards(topology: Topology) -> list[Wireguard]:
    return [device for device in topology.devices if isinstance(device, Wireguard)]


def port_once(topology: Topology) -> Iterator[Diagnostic]:
    ports: dict[tuple[str | None, int], Wireguard] = {}
    for wireguard in _wireguards(topology):
        first = ports.setdefault((wireguard.interface.namespace, wireguard.udp_port), wireguard)
        if first is not wireguard:
            yield Diagnostic(
                "NSL807",
                f"`{wireguard.interface.name}` and `{first.interface.name}` would both listen on port {first.udp_port}",
                wireguard.interface.span,
                also=((first.interface.span, "the first is here"),),
                help=f"give one of them a `port` of its own, {first.udp_port + 1}, say",
            )


def prefix_behind_one_peer(topology: Topology) -> Iterator[Diagnostic]:
    for wireguard in _wireguards(topology):
        home = wireguard.interface.namespace
        behind: dict[IPNetwork, str] = {}
        for peer in wireguard.peers:
            for prefix in peer.allowed:
                first = behind.setdefault(prefix, peer.namespace)
                if first != peer.namespace:
                    yield Diagnostic(
                        "NSL807",
                        f"`{home}` would look for `{prefix}` at `{first}` and at `{peer.namespace}`",
                        wireguard.interface.span,
                        help="a prefix is behind one peer: change the `ip` or `net` of the other",
                    )
