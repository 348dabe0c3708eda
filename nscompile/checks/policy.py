"""Policy rules: each can match a packet, and none is without effect."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import product
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic, Severity
from nscompile.model import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nscompile.model import IPAddress, IPNetwork, Policy, Topology

_ANYBODY = Peer()


def ends_share_a_family(topology: Topology) -> Iterator[Diagnostic]:
    addresses = topology.addresses()
    for policy in topology.policies:
        source, target = (_families(peer, addresses) for peer in (policy.source, policy.target))
        nodes = [peer.node for peer in (policy.source, policy.target) if peer.node is not None]
        bare = next((node for node in nodes if not addresses[node]), None)
        if source & target or topology.damaged & set(nodes):
            continue
        if bare is not None:
            message, way_out = f"`{bare}` has no address that a rule could know it by", "give it one, or leave this out"
        else:
            message = f"no packet goes from IPv{min(source)} to IPv{min(target)}"
            way_out = "name two ends of one family"
        yield Diagnostic("NSL711", message, policy.span, help=way_out)


def _families(peer: Peer, addresses: Mapping[str | None, list[IPAddress]]) -> set[int]:
    if peer.node is not None:
        return {ip.version for ip in addresses[peer.node]}
    return {peer.prefix.version} if peer.prefix is not None else {4, 6}


def rule_decides_something(topology: Topology) -> Iterator[Diagnostic]:
    wider = _Wider(topology)
    for policy in topology.policies:
        covering = wider.first(policy)
        if covering is not None:
            also = ((covering.span, "every packet that it is about is decided here"),)
            message, way_out = "this rule never matches", "the first rule that matches decides: put this one before it"
            if covering.allow is policy.allow:
                way_out = "leave it out"
            yield Diagnostic("NSL712", message, policy.span, also=also, help=way_out, severity=Severity.WARNING)
        elif policy.source.node is not None and policy.source == policy.target:
            message, way_out = f"`{policy.source.node}` always reaches itself", "leave the rule out"
            yield Diagnostic("NSL712", message, policy.span, help=way_out, severity=Severity.WARNING)
        elif policy.is_last:
            message = "no `deny` follows, so this allows what passes anyway"
            way_out = "put it before the `deny` that it is an exception to, or leave it out"
            yield Diagnostic("NSL712", message, policy.span, help=way_out, severity=Severity.WARNING)
        wider.add(policy)


class _Wider:
    """The rules so far, to be found by ends that are the same or wider."""

    def __init__(self, topology: Topology) -> None:
        peers = [peer for policy in topology.policies for peer in (policy.source, policy.target)]
        self._addresses = topology.addresses()
        self._lengths = {(peer.prefix.version, peer.prefix.prefixlen) for peer in peers if peer.prefix is not None}
        self._rules: dict[tuple[Peer, Peer, str | None, tuple[int, int] | None], Policy] = {}

    def add(self, policy: Policy) -> None:
        self._rules.setdefault((policy.source, policy.target, policy.protocol, policy.ports), policy)

    def first(self, policy: Policy) -> Policy | None:
        """The first rule that is about all that this one is; its ports are the same or none, which can be looked up."""
        traffic = dict.fromkeys([(None, None), (policy.protocol, None), (policy.protocol, policy.ports)])
        ends = product(self._holding(policy.source), self._holding(policy.target))
        found = [self._rules[(*end, *each)] for end in ends for each in traffic if (*end, *each) in self._rules]
        return min(found, key=lambda rule: rule.span.start, default=None)

    def _holding(self, peer: Peer) -> list[Peer]:
        """The peers that this one is a part of, itself among them."""
        if peer.node is not None:
            owned = [self._prefixes(ip, ip.max_prefixlen) for ip in self._addresses[peer.node]]
            prefixes = set(owned[0]).intersection(*owned[1:]) if owned else set()
        elif peer.prefix is not None:
            prefixes = set(self._prefixes(peer.prefix.network_address, peer.prefix.prefixlen))
        else:
            prefixes = set()
        return [peer, _ANYBODY, *(Peer(prefix=prefix) for prefix in prefixes)]

    def _prefixes(self, ip: IPAddress, longest: int) -> list[IPNetwork]:
        fitting = [length for version, length in self._lengths if version == ip.version and length <= longest]
        return [ip_network((ip, length), strict=False) for length in fitting]
