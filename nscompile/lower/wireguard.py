"""WireGuard: keys, the interface, and its peers.

Keys are made when the lab comes up, in its state folder, and read from there: none is ever in a script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.lower.dispatch import lower, within
from nscompile.lower.layers import created, finished
from nscompile.model import Wireguard
from nscompile.plan import STATE, FileContents, Phase, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Topology

_WHY_KEYS = "each end proves with its private key who it is, and is known to the others by the public one"
_WHY_PEERS = "whom it talks to: where they are, and which addresses are behind them"


def key_steps(topology: Topology) -> Iterator[Step]:
    """The keys of all WireGuard interfaces, which each needs before it can know its peers."""
    wireguards = [device for device in topology.devices if isinstance(device, Wireguard)]
    made = [wireguard for wireguard in wireguards if wireguard.key is None]
    if made:
        yield Step(Phase.KEYS, ("umask", "077"), "private keys are for nobody else to read", made[0].interface.span)
    for wireguard in wireguards:
        span = wireguard.interface.span
        if wireguard.key is None:
            yield Step(Phase.KEYS, ("wg", "genkey"), _WHY_KEYS, span, stdout=_private(wireguard))
        public = _kept(wireguard, "pub")
        yield Step(Phase.KEYS, ("wg", "pubkey"), _WHY_KEYS, span, stdin=_private(wireguard), stdout=public)
    if made:
        why = "programs of the nodes need not be so secretive"
        yield Step(Phase.KEYS, ("umask", "022"), why, made[0].interface.span)


@lower.register(Wireguard)
def _wireguard(wireguard: Wireguard) -> Iterator[Step]:
    interface = wireguard.interface
    home, name, span = interface.namespace, interface.name, interface.span
    yield created(wireguard, "what goes into a WireGuard interface is encrypted for a peer", ("type", "wireguard"))
    settings = ("listen-port", str(wireguard.udp_port), "private-key", _private(wireguard))
    yield Step(Phase.MEMBERS, within(home, "wg", "set", name, *settings), _WHY_PEERS, span)
    for peer in wireguard.peers:
        who = FileContents(f"{STATE}/{wireguard.lab}/{peer.namespace}:{peer.name}.pub")
        host = f"[{peer.endpoint}]" if peer.endpoint.version == 6 else str(peer.endpoint)
        behind = ("allowed-ips", ",".join(map(str, peer.allowed))) if peer.allowed else ()
        command = ("wg", "set", name, "peer", who, "endpoint", f"{host}:{peer.udp_port}", *behind)
        yield Step(Phase.MEMBERS, within(home, *command), _WHY_PEERS, span)
    yield from finished(wireguard)


def _private(wireguard: Wireguard) -> str:
    return wireguard.key.value if wireguard.key else _kept(wireguard, "key")


def _kept(wireguard: Wireguard, kind: str) -> str:
    """A file of the lab's, by namespace and interface: neither has a colon, and both may have dashes."""
    return f"{STATE}/{wireguard.lab}/{wireguard.interface.namespace}:{wireguard.interface.name}.{kind}"
