"""Published ports: destination NAT for what comes to the host, and for what the host itself asks.

Two cases need more. A neighbour of the node would be answered by it directly, from an address that it has not asked.
And nothing with 127.0.0.1 in it leaves lo unless an interface is told `route_localnet`, which would also let the nodes
in to all that listens on lo (CVE-2020-8558), by that address or by pretending to be it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from nscompile.lower.netfilter import IPTABLES, Rule, conntrack_need, nft_table
from nscompile.plan import Firewall, Kind, Need, Phase, Step, Undo
from nscompile.records import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Publication, Topology
    from nscompile.plan import Command
    from nscompile.source import Span

_WHY_ON = "a port of the host becomes one of a node: for what comes to the host, and for what the host itself asks"
_WHY_HAIRPIN = "a neighbour that asks the host would be answered by the node itself: have that come by the host as well"
_WHY_GUARD = "the last command here lets 127.0.0.1 out of lo; by that way the nodes must not get in"
_WHY_LO = "the host's own questions leave lo under the address that the answers must come back to"
_WHY_OUT = "now 127.0.0.1 may leave lo: by this interface alone, and for as long as that is there"

_LO = "127.0.0.0/8"

# Chains by their names in iptables: table, and what nft says of the hook.
_CHAINS = {
    "PREROUTING": ("nat", "{ type nat hook prerouting priority dstnat; }"),
    "OUTPUT": ("nat", "{ type nat hook output priority -100; }"),
    "POSTROUTING": ("nat", "{ type nat hook postrouting priority srcnat; }"),
    "RAW": ("raw", "{ type filter hook prerouting priority raw; }"),
}


class _Told(NamedTuple):
    """A rule in its chain."""

    chain: str
    rule: Rule
    why: str
    span: Span


def publish_steps(topology: Topology, firewall: Firewall) -> Iterator[Step]:
    # Two ports of the host that lead to one of a node have rules in common.
    told = list({(each.chain, each.rule): each for each in _told(topology)}.values())
    yield from map(_iptables, told) if firewall is Firewall.IPTABLES else _nft(topology, told)
    for inside, span in _asked_from_lo(topology).items():
        separator = "/" if "." in inside else "."
        key = separator.join(("net", "ipv4", "conf", inside, "route_localnet"))
        yield Step(Phase.PUBLISHED, ("sysctl", f"{key}=1"), _WHY_OUT, span)


def _only_at_lo(each: Publication) -> bool:
    """Whether it is published at 127.0.0.1 alone, which nobody but the host can ask."""
    return each.address is not None and each.address.is_loopback


def _asked_from_lo(topology: Topology) -> dict[str, Span]:
    """The interfaces behind which a node is published at 127.0.0.1, be it among other addresses."""
    over_ipv4 = [each for each in topology.publications if each.target.version == 4]
    return {each.inside: each.span for each in over_ipv4 if each.address is None or _only_at_lo(each)}


def _told(topology: Topology) -> Iterator[_Told]:
    for each in topology.publications:
        yield from _passed_on(each)
    for each in topology.publications:
        if not _only_at_lo(each):
            # What neighbours ask each other without the host is bridged, and with br_netfilter comes this way as well.
            rule = Rule(
                each.target.version,
                "masquerade",
                sources=(str(each.prefix),),
                targets=(str(each.target),),
                protocol=each.protocol,
                ports=(each.target_port, each.target_port),
                state="dnat",
            )
            yield _Told("POSTROUTING", rule, _WHY_HAIRPIN, each.span)
    for inside, span in _asked_from_lo(topology).items():
        yield _Told("RAW", Rule(4, "drop", comes_by=inside, sources=(_LO,)), _WHY_GUARD, span)
        yield _Told("RAW", Rule(4, "drop", comes_by=inside, targets=(_LO,)), _WHY_GUARD, span)
    for inside, span in _asked_from_lo(topology).items():
        yield _Told("POSTROUTING", Rule(4, "masquerade", leaves_by=inside, sources=(_LO,)), _WHY_LO, span)


def _passed_on(each: Publication) -> Iterator[_Told]:
    version, everywhere = each.target.version, each.address is None
    rule = Rule(
        version,
        "dnat",
        to=f"{each.target}:{each.target_port}" if version == 4 else f"[{each.target}]:{each.target_port}",
        targets=() if everywhere else (str(each.address),),
        for_this_host=everywhere,
        protocol=each.protocol,
        ports=(each.port, each.port),
    )
    if not _only_at_lo(each):
        yield _Told("PREROUTING", rule, _WHY_ON, each.span)
    yield _Told("OUTPUT", replace(rule, not_target="::1" if everywhere and version == 6 else ""), _WHY_ON, each.span)


def _iptables(told: _Told) -> Step:
    tool = IPTABLES[told.rule.version]
    table, chain = _CHAINS[told.chain][0], "PREROUTING" if told.chain == "RAW" else told.chain
    spec = (chain, *told.rule.for_iptables())
    undo = Undo(Kind.RULE, (tool, "-t", table, "-C", *spec), (tool, "-t", table, "-D", *spec))
    return Step(
        Phase.PUBLISHED,
        (tool, "-t", table, "-A", *spec),
        told.why,
        told.span,
        undo=undo,
        need=_iptables_need(tool, told),
    )


def _iptables_need(tool: str, told: _Told) -> Need | None:
    """What is particular to a rule: of the two for one port the second also needs the first one's."""
    if told.chain == "RAW":
        return Need(f"raw table with {tool}", (tool, "-t", "raw", "-A", "PREROUTING", "-j", "DROP"))
    if told.rule.state:
        return conntrack_need(told.rule.version, Firewall.IPTABLES)
    trying = (tool, "-t", "nat", "-A", "PREROUTING", "-j")
    if told.chain == "OUTPUT" and told.rule.for_this_host:
        local = ("-m", "addrtype", "--dst-type", "LOCAL")
        return Need(f"address types with {tool}", (*trying, "RETURN", *local))
    if told.rule.to:
        somewhere = "192.0.2.1" if told.rule.version == 4 else "2001:db8::1"
        return Need(f"destination NAT with {tool}", (*trying, "DNAT", "--to-destination", somewhere))
    return None


def _nft(topology: Topology, told: list[_Told]) -> Iterator[Step]:
    """Into the lab's table on the host, made here unless NAT has made it; taking that back takes all of it back."""
    with_nat: set[int] = {each.prefix.version for each in topology.masquerades if each.namespace is None}
    made = {(version, name) for version in with_nat for name in ("", "POSTROUTING")}
    for chain, rule, why, span in told:
        table = nft_table(topology, rule.version)
        if (rule.version, "") not in made:
            undo = Undo(Kind.RULE, ("nft", "list", "table", *table), ("nft", "delete", "table", *table))
            yield Step(Phase.PUBLISHED, ("nft", "add", "table", *table), why, span, undo=undo)
        if (rule.version, chain) not in made:
            adding = ("nft", "add", "chain", *table, chain.lower(), _CHAINS[chain][1])
            yield Step(Phase.PUBLISHED, adding, why, span, need=_nft_need(table[0]))
        made |= {(rule.version, ""), (rule.version, chain)}
        yield Step(Phase.PUBLISHED, ("nft", "add", "rule", *table, chain.lower(), *rule.for_nft()), why, span)


def _nft_need(family: str) -> Need:
    trial = f"add table {family} t; add chain {family} t c {_CHAINS['OUTPUT'][1]}; add rule {family} t c "
    somewhere = "192.0.2.1" if family == "ip" else "2001:db8::1"
    return Need("destination NAT with nft", ("nft", f"{trial}fib daddr type local dnat to {somewhere}"))


def host_ports(topology: Topology) -> tuple[Command, ...]:
    """What must be free on the host: the protocol, the port, in which families, and at which one address."""
    families: defaultdict[tuple[str, int, str], str] = defaultdict(str)
    for each in topology.publications:
        families[each.protocol, each.port, str(each.address or "")] += str(each.target.version)
    return tuple(
        (protocol, str(port), found, *([at] if at else [])) for (protocol, port, at), found in families.items()
    )


def host_addresses(topology: Topology) -> tuple[str, ...]:
    """The addresses that the host must have already."""
    own = {address.ip for home, _, _, found in topology.addressed() if home is None for address in found}
    named = [each.address for each in topology.publications if each.address is not None]
    return tuple(dict.fromkeys(str(ip) for ip in named if not ip.is_loopback and ip not in own))
