"""The two languages of the kernel's packet filter: a rule as it is, and as iptables and nft are told of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nscompile.plan import Firewall, Need
from nscompile.records import dataclass

if TYPE_CHECKING:
    from nscompile.model import Topology
    from nscompile.plan import Command

IPTABLES = {4: "iptables", 6: "ip6tables"}
NFT = {4: "ip", 6: "ip6"}

# A name that nft takes for an interface without quotes: no word of its own has this form, but for those behind.
_BARE = re.compile(r"[A-Za-z]+[0-9-][A-Za-z0-9_.-]*")
_NFT_WORDS = {"auto-merge", "cgroupv2", "fully-random", "gc-interval", "icmpv6", "ip6", "l4proto"}


def quoted(interface: str) -> str:
    is_bare = interface == "lo" or (_BARE.fullmatch(interface) and interface not in _NFT_WORDS)
    return interface if is_bare else f'"{interface}"'


def nft_table(topology: Topology, version: int) -> tuple[str, str]:
    """The lab's own table, of the same name in every namespace: its family and that name."""
    return NFT[version], f"nscompile-{topology.name}"


def conntrack_need(version: int, firewall: Firewall) -> Need:
    if firewall is Firewall.IPTABLES:
        tool = IPTABLES[version]
        trial = (tool, "-A", "INPUT", "-j", "ACCEPT", "-m", "conntrack", "--ctstate", "ESTABLISHED")
        return Need(f"connection tracking with {tool}", trial)
    chain = "add table ip t; add chain ip t c { type filter hook input priority filter; }"
    return Need("connection tracking with nft", ("nft", f"{chain}; add rule ip t c ct state established accept"))


@dataclass(frozen=True, slots=True)
class Rule:
    """Which packets of a family, and what becomes of them; what is empty matches any.

    `ports` are the first and the last, `state` what connection tracking says, `to` where `dnat` leads.
    """

    version: int
    verdict: str
    to: str = ""
    comes_by: str = ""
    leaves_by: str = ""
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    not_target: str = ""
    for_this_host: bool = False
    protocol: str = ""
    ports: tuple[int, int] | None = None
    state: str = ""

    @property
    def _protocol(self) -> str:
        return "icmpv6" if self.protocol == "icmp" and self.version == 6 else self.protocol

    def for_iptables(self) -> Command:
        words = ["-s", ",".join(self.sources)] if self.sources else []
        words += ["-d", ",".join(self.targets)] if self.targets else []
        words += ["!", "-d", self.not_target] if self.not_target else []
        words += ["-i", self.comes_by] if self.comes_by else []
        words += ["-o", self.leaves_by] if self.leaves_by else []
        words += ["-p", self._protocol] if self.protocol else []
        words += ["--dport", ":".join(map(str, dict.fromkeys(self.ports)))] if self.ports else []
        words += ["-m", "addrtype", "--dst-type", "LOCAL"] if self.for_this_host else []
        words += ["-m", "conntrack", "--ctstate", self.state.upper()] if self.state else []
        return (*words, "-j", self.verdict.upper(), *(("--to-destination", self.to) if self.to else ()))

    def for_nft(self) -> Command:
        family = NFT[self.version]
        words = ["iifname", quoted(self.comes_by)] if self.comes_by else []
        words += ["oifname", quoted(self.leaves_by)] if self.leaves_by else []
        words += [family, "saddr", _set(self.sources)] if self.sources else []
        words += [family, "daddr", _set(self.targets)] if self.targets else []
        words += [family, "daddr", "!=", self.not_target] if self.not_target else []
        words += ["fib", "daddr", "type", "local"] if self.for_this_host else []
        if self.ports:
            words += [self.protocol, "dport", "-".join(map(str, dict.fromkeys(self.ports)))]
        elif self.protocol:
            words += ["meta", "l4proto", self._protocol]
        words += ["ct", "status" if self.state == "dnat" else "state", self.state] if self.state else []
        return (*words, self.verdict, *(("to", self.to) if self.to else ()))


def _set(addresses: tuple[str, ...]) -> str:
    return addresses[0] if len(addresses) == 1 else f"{{ {', '.join(addresses)} }}"
