"""WireGuard: an interface whose peers are known by their keys.

Either end may name the other as its peer; both are then told of one another.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.diagnostics import Diagnostic
from nscompile.model import Given, Wireguard, WireguardPeer
from nscompile.resolve import values
from nscompile.resolve.devices.settling import Draft, Place, read

if TYPE_CHECKING:
    from nscompile.model import IPAddress, IPNetwork
    from nscompile.resolve.devices.settling import Settling

_PORTS = range(1, 2**16)
_PORT = 51820  # what its manual and everybody uses; the kernel would draw one at random


@read.register(syntax.Wireguard)
def _wireguard(statement: syntax.Wireguard, draft: Draft) -> Wireguard | None:
    if draft.place.namespace is None:
        draft.lacks("is in no node", "add `in NODE`")
        return None
    settling = draft.settling
    told = {_other_end(clause, draft): clause for clause in _peer_clauses(statement)}
    for end, clause in told.items():
        _must_be_wireguard(end, clause, draft)
    near = [*told, *(end for end in _naming(draft.place, settling) if end not in told)]
    peers = [_peer(Draft(settling.scope.devices[end], settling), draft) for end in near if _is_wireguard(end, settling)]
    if not near:
        draft.lacks("has no peer", "add `peer NODE`, at one end or at both")
    if not any(isinstance(clause, syntax.Ip | syntax.Net) for clause in statement.clauses):
        what = "has neither an address nor a prefix behind it, so its peers would send it nothing"
        draft.lacks(what, "add `ip A/L`, or the prefixes with `net P`")
    key = draft.only(syntax.Key)
    if key is not None and not key.value.text.startswith("/"):
        way_out = "write the path of the file, from `/` on; without `key` one is made when the lab comes up"
        draft.report("NSL803", "a private key is given as a file of the host", key.value.span, way_out)
    return Wireguard(
        draft.interface(draft.own_segment()),
        None,
        settling.lab,
        _port(draft),
        Given(key.value.text, key.value.span) if key else None,
        tuple(peer for peer in peers if peer is not None),
    )


def _peer_clauses(statement: syntax.Device) -> list[syntax.Peer]:
    return [clause for clause in statement.clauses if isinstance(clause, syntax.Peer)]


def _other_end(clause: syntax.Peer, draft: Draft) -> Place:
    return Place(clause.node.text, clause.interface.text if clause.interface else draft.place.name)


def _is_wireguard(end: Place, settling: Settling) -> bool:
    return isinstance(settling.scope.devices.get(end), syntax.Wireguard)


def _must_be_wireguard(end: Place, clause: syntax.Peer, draft: Draft) -> None:
    scope = draft.settling.scope
    if end == draft.place:
        draft.report("NSL806", f"`{end.name}` would be its own peer", clause.node.span, "name another node")
    elif scope.node(clause.node) is not None and not _is_wireguard(end, draft.settling):
        message = f"`{end.namespace}` has no WireGuard interface `{end.name}`"
        way_out = f"declare it: `wireguard {end.name} in {end.namespace} …`"
        scope.diagnostics.add(Diagnostic("NSL806", message, (clause.interface or clause.node).span, help=way_out))


def _naming(place: Place, settling: Settling) -> list[Place]:
    """The interfaces that name this one as their peer."""
    found = []
    for end, statement in settling.scope.devices.items():
        if isinstance(statement, syntax.Wireguard) and end != place:
            draft = Draft(statement, settling)
            if any(_other_end(clause, draft) == place for clause in _peer_clauses(statement)):
                found.append(Place(*end))
    return found


def _port(draft: Draft) -> int:
    port = draft.only(syntax.Port)
    report = draft.settling.scope.diagnostics
    return (values.number(port.value, "port", _PORTS, report, "NSL803") if port else None) or _PORT


def _peer(other: Draft, draft: Draft) -> WireguardPeer | None:
    place = other.place
    endpoint = _endpoint(other, draft)
    if endpoint is None or place.namespace is None or place == draft.place:
        return None
    return WireguardPeer(place.namespace, place.name, endpoint, _port(other), _behind(other))


def _endpoint(other: Draft, draft: Draft) -> IPAddress | None:
    """Where a peer is: as it says, at an address on a segment that both are on, or at its first address."""
    interfaces, home = draft.settling.interfaces, other.place.namespace or ""
    said = other.only(syntax.Endpoint)
    if said is not None:
        return values.ip(said.address, draft.settling.scope.diagnostics)
    near = {each.segment for each in interfaces.by_node[draft.place.namespace or ""]}
    cables = [each for each in interfaces.by_node[home] if (home, each.name) not in draft.settling.scope.devices]
    found = [address.ip for each in cables if each.segment in near for address in each.addresses]
    found += [address.ip for each in cables for address in each.addresses]
    if not found and not draft.settling.scope.is_damaged(home):
        message = f"`{home}` has no address at which `{draft.place.namespace}` could reach it"
        way_out = f"add `endpoint A` to `{other.place.name}` of `{home}`"
        other.report("NSL806", message, other.statement.name.span, way_out)
    return found[0] if found else None


def _behind(other: Draft) -> tuple[IPNetwork, ...]:
    """The addresses of a peer's interface, each alone, and the prefixes that its `net` says are behind it."""
    report = other.settling.scope.diagnostics
    ip, net = other.only(syntax.Ip), other.only(syntax.Net)
    own = [ip_network(address.ip) for address in (values.addresses(ip.addresses, report) if ip else ())]
    nets = [values.prefix(word, report) for word in (net.prefixes if net else ())]
    return (*own, *(prefix for prefix in nets if prefix is not None))
