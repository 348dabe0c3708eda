"""Policy: what each node's chains decide is what the lab's rules do, read in order; and the kernel agrees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiling import resolved
from host import Host
from nscompile.cli import KINDS
from nscompile.compiler import compile_lab
from nscompile.lower import plan
from nscompile.plan import Firewall, Section
from talk import ask, ask_patiently, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nscompile.plan import Command


# Nodes of one address, of several, of both families and of IPv6 alone; 10.0.0.0/23 holds a whole and the half of c.
NODES = {
    "a": ("10.0.0.1", "2001:db8::1"),
    "b": ("10.0.0.2", "2001:db8::2"),
    "c": ("10.0.1.3", "10.0.2.3"),
    "d": ("2001:db8::4",),
}
NETWORK = """
bridge br0 in s
bridge br1 in t
bridge br2 in u
node a ip 10.0.0.1/24, 2001:db8::1/64 on br0
node b ip 10.0.0.2/24, 2001:db8::2/64 on br0
node c ip 10.0.1.3/24 on br1 loopback 10.0.2.3/32
node d ip 2001:db8::4/64 on br0
"""
OUTSIDE = ("203.0.113.9", "10.0.0.77", "10.0.2.99", "2001:db8::99", "2001:db8:f::1")
PEERS = (
    *NODES,
    "*",
    "10.0.0.0/23",
    "10.0.0.0/8",
    "10.0.2.3",
    "0.0.0.0/0",
    "2001:db8::/64",
    "2001:db8::1",
    "203.0.113.9",
)
TRAFFIC = ("", "tcp", "udp", "icmp", "tcp 80", "tcp 80-443", "udp 53", "udp 1-65535")


class Packet(NamedTuple):
    """The first packet of a connection."""

    source: str
    target: str
    protocol: str
    port: int


def holds(peer: str, address: str) -> bool:
    if peer in NODES:
        return address in NODES[peer]
    return peer == "*" or ip_address(address) in ip_network(peer)


def carries(traffic: str, packet: Packet) -> bool:
    protocol, _, ports = traffic.partition(" ")
    first, _, last = ports.partition("-")
    return protocol in {"", packet.protocol} and (not ports or int(first) <= packet.port <= int(last or first))


def passes_by_rules(rules: list[tuple[str, str, str, str]], packet: Packet) -> bool:
    """What the reference says: the first rule that matches decides."""
    for verdict, source, target, traffic in rules:
        if holds(source, packet.source) and holds(target, packet.target) and carries(traffic, packet):
            return verdict == "allow"
    return True


def in_range(packet: Packet, ports: str) -> bool:
    first, _, last = ports.replace("-", ":").partition(":")
    return int(first) <= packet.port <= int(last or first)


def has_protocol(packet: Packet, name: str) -> bool:
    is_icmpv6 = ":" in packet.source and packet.protocol == "icmp"
    return name == ("icmpv6" if is_icmpv6 else packet.protocol)


# What the words of a rule ask of a packet, in either language: it is the first of its connection, and not by lo.
CONDITIONS: dict[tuple[str, ...], Callable[[Packet, str], bool]] = {
    **dict.fromkeys([("-m", "conntrack", "--ctstate"), ("ct", "state")], lambda _packet, _value: False),
    **dict.fromkeys([("-i",), ("-o",), ("iifname",), ("oifname",)], lambda _packet, _value: False),
    **dict.fromkeys([("-s",), ("ip", "saddr"), ("ip6", "saddr")], lambda packet, value: within(packet.source, value)),
    **dict.fromkeys([("-d",), ("ip", "daddr"), ("ip6", "daddr")], lambda packet, value: within(packet.target, value)),
    **dict.fromkeys([("-p",), ("meta", "l4proto")], has_protocol),
    ("--dport",): in_range,
    ("tcp", "dport"): lambda packet, value: packet.protocol == "tcp" and in_range(packet, value),
    ("udp", "dport"): lambda packet, value: packet.protocol == "udp" and in_range(packet, value),
}
VERDICTS = {("-j", "ACCEPT"): "accept", ("-j", "DROP"): "drop", ("accept",): "accept", ("drop",): "drop"}


def matched(words: Command, packet: Packet) -> str | None:
    """The verdict of a rule, if the packet matches it; a word that is not known is an error."""
    while words not in VERDICTS:
        key = next(key for key in CONDITIONS if words[: len(key)] == key)
        if not CONDITIONS[key](packet, words[len(key)]):
            return None
        words = words[len(key) + 1 :]
    return VERDICTS[words]


def within(address: str, addresses: str) -> bool:
    return any(ip_address(address) in ip_network(each) for each in addresses.strip("{ }").replace(" ", "").split(","))


def chains(lab: str, firewall: Firewall) -> dict[tuple[str, str, int], list[Command]]:
    """The rules of each chain: by node, hook and family."""
    found: dict[tuple[str, str, int], list[Command]] = {}
    for step in plan(resolved(lab), firewall).steps:
        if step.phase.section is not Section.POLICY:
            continue
        match step.do:
            case ("ip", "netns", "exec", node, "iptables" | "ip6tables" as tool, "-A", hook, *rule):
                found.setdefault((node, hook, 6 if "6" in tool else 4), []).append(tuple(rule))
            case ("ip", "netns", "exec", node, "nft", "add", "rule", family, "nscompile-lab", hook, *rule):
                found.setdefault((node, hook.upper(), 6 if "6" in family else 4), []).append(tuple(rule))
            case ("ip", "netns", "exec", _, "nft", "add", "table" | "chain", *_):
                pass
            case _:
                raise AssertionError(step.do)
    return found


def passes_by_chains(made: dict[tuple[str, str, int], list[Command]], packet: Packet) -> bool:
    owner = {address: node for node, addresses in NODES.items() for address in addresses}
    version = ip_address(packet.source).version
    for address, hook in ((packet.source, "OUTPUT"), (packet.target, "INPUT")):
        rules = made.get((owner.get(address, ""), hook, version), [])
        if next((verdict for rule in rules if (verdict := matched(rule, packet))), "accept") == "drop":
            return False
    return True


peers = st.sampled_from(PEERS)
rule_lists = st.lists(
    st.tuples(st.sampled_from(["allow", "deny"]), peers, peers, st.sampled_from(TRAFFIC)).filter(
        lambda rule: any(
            holds(rule[1], one) and holds(rule[2], other) and (":" in one) == (":" in other)
            for one in (*sum(NODES.values(), ()), *OUTSIDE)
            for other in (*sum(NODES.values(), ()), *OUTSIDE)
        )
    ),
    min_size=1,
    max_size=7,
)
PACKETS = [
    Packet(source, target, protocol, port)
    for sender, sources in [*NODES.items(), ("", OUTSIDE)]
    for receiver, targets in [*NODES.items(), ("", OUTSIDE)]
    if sender != receiver
    for source in sources
    for target in targets
    if (":" in source) == (":" in target)
    for protocol, port in (("tcp", 80), ("tcp", 443), ("tcp", 9), ("udp", 53), ("icmp", 0))
]


@pytest.mark.parametrize("firewall", list(Firewall))
@given(rules=rule_lists)
@settings(max_examples=150)
def test_the_chains_of_the_nodes_decide_what_the_rules_of_the_lab_do(
    firewall: Firewall, rules: list[tuple[str, str, str, str]]
) -> None:
    lines = [f"{verdict} {source} -> {target} {traffic}" for verdict, source, target, traffic in rules]
    made = chains(NETWORK + "\n".join(lines) + "\n", firewall)
    assert [packet for packet in PACKETS if passes_by_chains(made, packet) != passes_by_rules(rules, packet)] == []


def test_the_evaluator_sees_a_rule_in_the_wrong_place() -> None:
    rules = [("allow", "a", "b", ""), ("deny", "a", "*", "")]
    made = chains(NETWORK + "allow a -> b\ndeny a -> *\n", Firewall.IPTABLES)
    made["a", "OUTPUT", 4].reverse()
    assert [packet for packet in PACKETS if passes_by_chains(made, packet) != passes_by_rules(rules, packet)]


RULES = """
deny a -> b
allow c -> * icmp
allow c -> b tcp 80-90
deny c -> *
deny 8.8.8.8 -> *
deny 2001:db8:8::8 -> *
"""
# The same rules where the nodes share a switch, where the host routes between them, and where it hides who asks.
PLACES = {
    "bridged": """
bridge br0 in switch
uplink br0 ip 10.60.0.254/24, 2001:db8:60::ff/64 nat via enp0s3
node a ip 10.60.0.1/24, 2001:db8:60::1/64 on br0
node b ip 10.60.0.2/24, 2001:db8:60::2/64 on br0
node c ip 10.60.0.3/24, 2001:db8:60::3/64 on br0
""",
    "routed": """
bridge br0 ip 10.60.0.254/24, 2001:db8:60::ff/64 nat via enp0s3
bridge br1 ip 10.61.0.254/24, 2001:db8:61::ff/64 nat via enp0s3
node a ip 10.60.0.1/24, 2001:db8:60::1/64 on br0
node b ip 10.61.0.2/24, 2001:db8:61::2/64 on br1
node c ip 10.60.0.3/24, 2001:db8:60::3/64 on br0
""",
}
PLACES["hidden"] = PLACES["routed"].replace(" via enp0s3", "")

# Who reaches whom, by what, in both families.
REACHED = [
    ("a", "b", "tcp 80", False),
    ("a", "b", "udp 53", False),
    ("a", "b", "icmp", False),
    ("b", "a", "tcp 80", True),
    ("b", "a", "udp 53", True),
    ("b", "a", "icmp", True),
    ("a", "c", "tcp 80", True),
    ("b", "c", "udp 53", True),
    ("c", "b", "tcp 80", True),
    ("c", "b", "tcp 443", False),
    ("c", "b", "udp 53", False),
    ("c", "b", "icmp", True),
    ("c", "a", "tcp 80", False),
    ("c", "a", "icmp", True),
    ("c", "c", "tcp 443", True),
    # The answers of 8.8.8.8 are no connections of its own.
    ("a", "(internet)", "tcp 80", True),
    ("a", "(internet)", "icmp", True),
    ("c", "(internet)", "tcp 80", False),
    ("c", "(internet)", "icmp", True),
]


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@contextmanager
def built(host: Host, lab: str, folder: Path, firewall: str) -> Iterator[None]:
    """The lab is up; afterwards it is gone without a trace."""
    for kind, text in compile_lab("lab.nsl", lab.encode(), KINDS, firewall).scripts.items():
        (folder / f"{kind}.sh").write_text(text, encoding="utf-8")
    before = host.state()
    host.run("sh", str(folder / "up.sh"))
    yield
    host.run("sh", str(folder / "down.sh"))
    assert host.state() == before


def addresses(place: str) -> dict[str, tuple[str, str]]:
    """The IPv4 and the IPv6 address of each node, and of the internet."""
    words = [line.replace(",", "").split() for line in PLACES[place].splitlines() if line.startswith("node")]
    found = {name: (v4.partition("/")[0], v6.partition("/")[0]) for _, name, _, v4, v6, *_ in words}
    return {**found, "(internet)": ("8.8.8.8", "2001:db8:8::8")}


def reaches(host: Host, source: str, target: str, traffic: str, *, expected: bool) -> bool:
    if traffic == "icmp":
        return host.pings(source, target) or (expected and host.pings(source, target))
    protocol, port = traffic.split()
    return (ask_patiently if expected else ask)(host, source, protocol, target, int(port)) is not None


@pytest.mark.parametrize("firewall", ["iptables", "nft"])
@pytest.mark.parametrize("place", PLACES)
def test_the_rules_hold_between_neighbours_through_a_router_and_through_nat(
    host: Host, tmp_path: Path, place: str, firewall: str
) -> None:
    at = addresses(place)
    with built(host, PLACES[place] + RULES, tmp_path, firewall), ExitStack() as stack:
        for node in at:
            for protocol, port in (("tcp", 80), ("tcp", 443), ("udp", 53)):
                stack.enter_context(serving(host, node, protocol, port))
        tried = [(*each, family) for each in REACHED for family in (0, 1)]
        pool = stack.enter_context(ThreadPoolExecutor(8))
        found = list(pool.map(lambda t: reaches(host, t[0], at[t[1]][t[4]], t[2], expected=t[3]), tried))
    assert [each for each, reached in zip(tried, found, strict=True) if reached is not each[3]] == []


def test_a_rule_about_the_host_closes_the_way_through_its_published_port(host: Host, tmp_path: Path) -> None:
    """Which one about the node leaves open: a neighbour that asks the host arrives under its address."""
    lab = "bridge br0 ip 10.60.0.254/24\nnode a on br0\nnode c on br0\nnode web on br0\npublish 8080 to web:80\n"
    with (
        built(host, f"{lab}deny a -> web\ndeny c -> 10.60.0.254\n", tmp_path, "iptables"),
        serving(host, "web", "tcp", 80),
    ):
        seen = [
            ask(host, node, "tcp", target, port)
            for node in ("a", "c")
            for target, port in (("10.60.0.3", 80), ("10.60.0.254", 8080))
        ]
    assert seen == [None, "10.60.0.254", "10.60.0.2", None]


def test_nat_hides_from_the_receiver_whom_the_rule_is_about(host: Host, tmp_path: Path) -> None:
    """Hence the sender's end of a rule: without it the receiver's is not enough."""
    with built(host, f"{PLACES['hidden']}deny a -> b\n", tmp_path, "iptables"), serving(host, "b", "tcp", 80):
        denied = ask(host, "a", "tcp", "10.61.0.2", 80)
        host.run("ip", "netns", "exec", "a", "iptables", "-F", "OUTPUT")
        seen_as = ask(host, "a", "tcp", "10.61.0.2", 80)
        rules = host.run("ip", "netns", "exec", "b", "iptables", "-S", "INPUT").stdout
    assert denied is None
    assert "-A INPUT -s 10.60.0.1/32 -j DROP" in rules
    assert seen_as == "10.61.0.254"
