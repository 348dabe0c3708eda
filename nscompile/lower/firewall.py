"""What the host's packet filter is told: source NAT, and to let the lab's packets pass where it drops by default.

Published ports and policy are files of their own, `publish.py` and `policy.py`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nscompile.lower.dispatch import within
from nscompile.lower.netfilter import IPTABLES, NFT, nft_table, quoted
from nscompile.plan import Firewall, Kind, Need, Phase, Step, Undo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Masquerade, Topology
    from nscompile.plan import Command
    from nscompile.source import Span

_WHY_NAT = "nobody outside knows the way back to these addresses, so packets leave under that of the way out"
_WHY_LET = "a host that drops what it should forward, as Docker and ufw set it up, must let the lab's packets pass"


def firewall_steps(topology: Topology, firewall: Firewall) -> Iterator[Step]:
    families = IPTABLES if firewall is Firewall.IPTABLES else NFT
    for interface, family, span in _gateways(topology):
        name = (families[family], interface)
        undo = Undo(Kind.PASSAGE, name, ("let_pass_no_more", *name))
        yield Step(Phase.PASSAGES, ("let_pass", *name), _WHY_LET, span, undo=undo)
    if firewall is Firewall.IPTABLES:
        for masquerade in topology.masquerades:
            yield _iptables(masquerade)
    else:
        yield from _nft(topology)


def _gateways(topology: Topology) -> Iterator[tuple[str, int, Span]]:
    """The host's interfaces that packets of the lab are forwarded through, with the families of these.

    A bridge on the host is one even without an address: br_netfilter hands bridged packets to the filter.
    """
    used = sorted({address.ip.version for _, _, _, found in topology.addressed() for address in found})
    for bridge in topology.bridges:
        if bridge.namespace is None:
            yield from ((bridge.name, family, bridge.span) for family in used)
    for uplink in topology.uplinks:
        for family in sorted({address.ip.version for address in uplink.interface.addresses}):
            yield uplink.interface.name, family, uplink.span


def _iptables(masquerade: Masquerade) -> Step:
    tool = IPTABLES[masquerade.prefix.version]
    way_out = ("-o", masquerade.out) if masquerade.out else ("!", "-o", masquerade.inside)
    spec = ("POSTROUTING", "-s", str(masquerade.prefix), *way_out, "-j", "MASQUERADE")
    return Step(
        Phase.NAT,
        within(masquerade.namespace, tool, "-t", "nat", "-A", *spec),
        _WHY_NAT,
        masquerade.span,
        undo=_on_host(masquerade, (tool, "-t", "nat", "-C", *spec), (tool, "-t", "nat", "-D", *spec)),
        need=Need(f"source NAT with {tool}", (tool, "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")),
    )


def _nft(topology: Topology) -> Iterator[Step]:
    """A table of the lab's own in each namespace and family, so that one command takes all of it back."""
    tables: defaultdict[tuple[str | None, int], list[Masquerade]] = defaultdict(list)
    for masquerade in topology.masquerades:
        tables[masquerade.namespace, masquerade.prefix.version].append(masquerade)
    for (namespace, version), masquerades in tables.items():
        table, first = nft_table(topology, version), masquerades[0]
        family = NFT[version]
        chain = "{ type nat hook postrouting priority srcnat; }"
        trial = f"add table {family} t; add chain {family} t c {chain}; add rule {family} t c masquerade"
        yield Step(
            Phase.NAT,
            within(namespace, "nft", "add", "table", *table),
            _WHY_NAT,
            first.span,
            undo=_on_host(first, ("nft", "list", "table", *table), ("nft", "delete", "table", *table)),
            need=Need("source NAT with nft", ("nft", trial)),
        )
        adding = within(namespace, "nft", "add", "chain", *table, "postrouting", chain)
        yield Step(Phase.NAT, adding, _WHY_NAT, first.span)
        for each in masquerades:
            way_out = ("oifname", quoted(each.out)) if each.out else ("oifname", "!=", quoted(each.inside))
            rule = (*table, "postrouting", family, "saddr", str(each.prefix), *way_out, "masquerade")
            yield Step(Phase.NAT, within(namespace, "nft", "add", "rule", *rule), _WHY_NAT, each.span)


def _on_host(masquerade: Masquerade, name: Command, command: Command) -> Undo | None:
    """What happens in a namespace goes with it."""
    return Undo(Kind.RULE, name, command) if masquerade.namespace is None else None
