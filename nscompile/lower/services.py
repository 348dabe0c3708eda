"""What runs in the nodes, and the files by which they know names.

`ip netns exec NODE` mounts what it finds in /etc/netns/NODE over the files of the same name in /etc, for the one
command that it runs. What stands there for a lab is a link into the lab's folder: so it can be told from a file of
somebody else's, and leads nowhere once the lab is gone.
"""

from __future__ import annotations

from collections import defaultdict
from ipaddress import IPv6Network
from typing import TYPE_CHECKING

from nscompile.lower.dispatch import within
from nscompile.plan import STATE, Kind, Phase, Step, Undo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Address, Topology
    from nscompile.source import Span

_LINK_LOCAL = IPv6Network("fe80::/10")  # no address without an interface beside it

_WHY_UMASK = "who looks up a name need not be root, and must be able to read these files"
_WHY_HOSTS = "the names of the nodes"
_WHY_DNS = "whom a node asks for all other names"
_WHY_LINK = "ip netns exec NODE mounts what is in /etc/netns/NODE over the file of that name in /etc"
_WHY_PLACE = "programs start in a folder of the lab's own"
_WHY_RUN = "each in a session of its own, and with no shell to wait for it; what it says is kept while the lab is up"


def service_steps(topology: Topology) -> Iterator[Step]:
    state = f"{STATE}/{topology.name}"
    yield from _name_steps(topology, state)
    yield from _program_steps(topology, state)


def _name_steps(topology: Topology, state: str) -> Iterator[Step]:
    """The files first, then a link to each for every node that reads it."""
    links: list[tuple[str, str, str, Span]] = []
    if topology.hosts is not None:
        nodes = [namespace for namespace in topology.namespaces if namespace.is_node]
        links += [(node.name, "hosts", "hosts", topology.hosts.span) for node in nodes]
    for each in topology.name_servers:
        links.append((each.namespace, "resolv.conf", f"resolv.conf-{each.namespace}", each.span))
    if links:
        yield Step(Phase.NAMES, ("umask", "022"), _WHY_UMASK, links[0][-1])
    if topology.hosts is not None:
        text = _hosts(topology)
        yield Step(Phase.NAMES, ("cat",), _WHY_HOSTS, topology.hosts.span, stdout=f"{state}/hosts", text=text)
    for each in topology.name_servers:
        path, text = f"{state}/resolv.conf-{each.namespace}", tuple(f"nameserver {each.value}" for each in each.servers)
        yield Step(Phase.NAMES, ("cat",), _WHY_DNS, each.span, stdout=path, text=text)
    order = {namespace.name: number for number, namespace in enumerate(topology.namespaces)}
    made: set[str] = set()
    for node, name, kept, span in sorted(links, key=lambda link: order[link[0]]):
        path = f"/etc/netns/{node}/{name}"
        if node not in made:
            made.add(node)
            yield Step(Phase.NAMES, ("mkdir", "-p", f"/etc/netns/{node}"), _WHY_LINK, span)
        undo = Undo(Kind.FILE, (path,), ("rm", path))
        yield Step(Phase.NAMES, ("ln", "-s", f"{state}/{kept}", path), _WHY_LINK, span, undo=undo)


def _hosts(topology: Topology) -> tuple[str, ...]:
    known = _addresses(topology)
    nodes = [namespace.name for namespace in topology.namespaces if namespace.is_node]
    lines = [f"{address.ip} {node}" for node in nodes for address in known[node]]
    return ("127.0.0.1 localhost", "::1 localhost ip6-localhost", *lines)


def _addresses(topology: Topology) -> dict[str | None, list[Address]]:
    """By which addresses each namespace is known: those on its lo, then of each interface the first of each family."""
    known: defaultdict[str | None, list[Address]] = defaultdict(list)
    for node in topology.namespaces:
        known[node.name] += node.loopback
    for namespace, _, _, addresses in topology.addressed():
        firsts = {address.ip.version: address for address in reversed(addresses) if address.ip not in _LINK_LOCAL}
        known[namespace] += [firsts[version] for version in sorted(firsts)]
    return known


def _program_steps(topology: Topology, state: str) -> Iterator[Step]:
    if topology.programs:
        span, place = topology.programs[0].span, f"{state}/work"
        yield Step(Phase.PROGRAMS, ("mkdir", place), _WHY_PLACE, span)
        yield Step(Phase.PROGRAMS, ("cd", place), _WHY_PLACE, span)
    count: defaultdict[str, int] = defaultdict(int)
    for program in topology.programs:
        count[program.namespace] += 1
        log = f"{state}/{program.namespace}-{count[program.namespace]}.log"
        command = ("exec", "setsid", *within(program.namespace, "sh", "-c", program.command))
        yield Step(Phase.PROGRAMS, command, _WHY_RUN, program.span, stdout=log, background=True)
