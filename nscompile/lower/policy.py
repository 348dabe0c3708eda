"""Policy: each rule at its ends, in the packet filters of the nodes themselves.

There it holds for routed and for bridged packets alike, and goes with the namespace. A node's INPUT chain has the rules
whose TO covers it, its OUTPUT chain those whose FROM does, each in the order of the lab: so the first rule of a chain
that matches a packet is the first of the lab that does.
"""

from __future__ import annotations

from collections import defaultdict
from ipaddress import ip_network
from typing import TYPE_CHECKING

from nscompile.lower.dispatch import within
from nscompile.lower.netfilter import IPTABLES, Rule, conntrack_need, nft_table
from nscompile.model import Peer
from nscompile.plan import Firewall, Need, Phase, Step
from nscompile.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nscompile.model import IPAddress, Policy, Topology
    from nscompile.plan import Command
    from nscompile.source import Span

_ANYBODY = Peer()


@dataclass(frozen=True, slots=True)
class _Chain:
    node: str
    name: str
    version: int
    rules: dict[Rule, Span]

    @property
    def span(self) -> Span:
        return next(iter(self.rules.values()))

    @property
    def why(self) -> str:
        of = f"what reaches {self.node}" if self.name == "INPUT" else f"what {self.node} sends"
        always = "answers, its own and neighbour discovery" if self.version == 6 else "answers and its own"
        return f"{of}: {always} always pass, then the first rule that matches decides"


def policy_steps(topology: Topology, firewall: Firewall) -> Iterator[Step]:
    for chain in _chains(topology):
        commands = _iptables(chain) if firewall is Firewall.IPTABLES else _nft(chain, topology)
        need: Need | None = conntrack_need(chain.version, firewall)
        for command, span in commands:
            yield Step(Phase.POLICY, within(chain.node, *command), chain.why, span, need=need)
            need = None


def _chains(topology: Topology) -> Iterator[_Chain]:
    addresses = topology.addresses()
    indexes = {name: _Index(topology.policies, name) for name in ("INPUT", "OUTPUT")}
    for node in (namespace.name for namespace in topology.namespaces if namespace.is_node):
        for name, index in indexes.items():
            concerned = index.concerning(node, addresses[node])
            for version in sorted({ip.version for ip in addresses[node]}) if concerned else ():
                found = ((_rule(each, name, version, addresses), each.span) for each in concerned)
                rules = _heard((rule, span) for rule, span in found if rule is not None)
                if any(rule.verdict == "drop" for rule in rules):
                    yield _Chain(node, name, version, rules)


class _Index:
    """The rules by the end of theirs that a node is for one of its chains, and apart those that call for a chain.

    A node looks up what covers it, so that a rule for each of a thousand nodes is not held against all of them.
    """

    def __init__(self, policies: Iterable[Policy], chain: str) -> None:
        self._all: defaultdict[Peer, list[tuple[int, Peer, Policy]]] = defaultdict(list)
        self._deciding: defaultdict[Peer, list[Peer]] = defaultdict(list)
        for number, policy in enumerate(policies):
            own, far = _ends(policy, chain)
            self._all[own].append((number, far, policy))
            if _decides(policy, chain):
                self._deciding[own].append(far)
        prefixes = [own.prefix for own in self._all if own.prefix is not None]
        self._lengths = {(prefix.version, prefix.prefixlen) for prefix in prefixes}

    def concerning(self, node: str, owned: list[IPAddress]) -> list[Policy]:
        """The rules about what comes to a node, or what it sends, if any calls for a chain.

        To itself a node may send anything.
        """
        ends = [_ANYBODY, Peer(node), *dict.fromkeys(self._prefixes(owned))]
        if all(far.node == node for end in ends for far in self._deciding.get(end, ())):
            return []
        found = sorted(each for end in ends for each in self._all.get(end, ()) if each[1].node != node)
        return [policy for _, _, policy in found]

    def _prefixes(self, owned: list[IPAddress]) -> Iterator[Peer]:
        for ip in owned:
            for version, length in self._lengths:
                if version == ip.version:
                    yield Peer(prefix=ip_network((ip, length), strict=False))


def _heard(rules: Iterator[tuple[Rule, Span]]) -> dict[Rule, Span]:
    """The rules that may come to decide: the first of equal ones, and none behind one that matches all."""
    heard: dict[Rule, Span] = {}
    for rule, span in rules:
        heard.setdefault(rule, span)
        if rule == Rule(rule.version, rule.verdict):
            break
    return heard


def _ends(policy: Policy, chain: str) -> tuple[Peer, Peer]:
    """The end of a rule that a node is for one of its chains, and the other."""
    return (policy.target, policy.source) if chain == "INPUT" else (policy.source, policy.target)


def _decides(policy: Policy, chain: str) -> bool:
    """Whether a rule calls for a chain; where there is one, all rules that are about its packets stand in it.

    One from anybody to a node is upheld by that node, one from a node to a prefix or to anybody by that one. All others
    are by both ends: some of their packets meet no other node of the lab, and some come through NAT, which hides who
    has sent them.
    """
    if policy.allow:
        return False
    if chain == "INPUT":
        return policy.source.node is None or policy.target.node is not None
    return policy.source != _ANYBODY or policy.target.node is None


def _rule(policy: Policy, chain: str, version: int, addresses: dict[str | None, list[IPAddress]]) -> Rule | None:
    """The rule for one family; None where it is about the other one. A node's own addresses need no mention."""
    own, far = _ends(policy, chain)
    here, there = () if own.node else _known_by(own, version, addresses), _known_by(far, version, addresses)
    if here is None or there is None:
        return None
    return Rule(
        version,
        "accept" if policy.allow else "drop",
        sources=there if chain == "INPUT" else here,
        targets=here if chain == "INPUT" else there,
        protocol=policy.protocol or "",
        ports=policy.ports,
    )


def _known_by(peer: Peer, version: int, addresses: dict[str | None, list[IPAddress]]) -> tuple[str, ...] | None:
    """The addresses of a family that tell an end: none for anybody, None where the family has none of it."""
    if peer == _ANYBODY:
        return ()
    owned = [peer.prefix] if peer.prefix is not None else addresses[peer.node]
    return tuple(str(each) for each in owned if each.version == version) or None


def _always(chain: _Chain) -> list[Rule]:
    """What passes whatever the rules say."""
    answers = Rule(chain.version, "accept", state="established,related")
    accept = Rule(chain.version, "accept")
    by_lo = replace(accept, comes_by="lo") if chain.name == "INPUT" else replace(accept, leaves_by="lo")
    # Of ICMPv6, connection tracking leaves out neighbour and multicast listener discovery, and nothing else.
    discovery = [Rule(6, "accept", protocol="icmp", state="untracked")] if chain.version == 6 else []
    return [answers, by_lo, *discovery]


def _all(chain: _Chain) -> Iterator[tuple[Rule, Span]]:
    yield from ((rule, chain.span) for rule in _always(chain))
    yield from chain.rules.items()


def _iptables(chain: _Chain) -> Iterator[tuple[Command, Span]]:
    for rule, span in _all(chain):
        yield (IPTABLES[chain.version], "-A", chain.name, *rule.for_iptables()), span


def _nft(chain: _Chain, topology: Topology) -> Iterator[tuple[Command, Span]]:
    table, name, first = nft_table(topology, chain.version), chain.name.lower(), chain.span
    yield ("nft", "add", "table", *table), first
    yield ("nft", "add", "chain", *table, name, f"{{ type filter hook {name} priority filter; }}"), first
    for rule, span in _all(chain):
        yield ("nft", "add", "rule", *table, name, *rule.for_nft()), span
