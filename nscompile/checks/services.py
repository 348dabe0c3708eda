"""Names, and who is asked for them."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import IPAddress, IPNetwork, Namespace, Topology

# What inet_aton(3) reads: from one to four numbers, decimal, octal or hexadecimal.
_NUMBERS = re.compile(r"(0[xX][0-9A-Fa-f]+|[0-9]+)(\.(0[xX][0-9A-Fa-f]+|[0-9]+)){0,3}")


def names_can_be_looked_up(topology: Topology) -> Iterator[Diagnostic]:
    """A name server's rules for names are not Linux's: `1` is an address, and `Web` is `web`."""
    if topology.hosts is None:
        return
    also = ((topology.hosts.span, "every node is to be found by its name"),)
    first: dict[str, Namespace] = {}
    for node in topology.namespaces:
        if not node.is_node:
            continue
        same = first.setdefault(node.name.lower(), node)
        if _NUMBERS.fullmatch(node.name):
            message, way_out = f"programs would take the name `{node.name}` for an address", "put a letter before it"
        elif node.name.lower() == "localhost":
            message, way_out = f"`{node.name}` is the name by which every node calls itself", "choose another name"
        elif same is not node:
            message = f"`{same.name}` and `{node.name}` are one name to whoever looks them up"
            way_out = "let them differ in more than capital letters"
        else:
            continue
        yield Diagnostic("NSL603", message, node.span, also=also, help=way_out)


def name_servers_are_reachable(topology: Topology) -> Iterator[Diagnostic]:
    nodes = {namespace.name: namespace for namespace in topology.namespaces}
    connected: defaultdict[str | None, list[IPNetwork]] = defaultdict(list)
    for namespace, _, _, addresses in topology.addressed():
        connected[namespace] += [address.network for address in addresses]
    for each in topology.name_servers:
        node = nodes[each.namespace]
        for server in each.servers:
            ways = [*connected[node.name], *(address.network for address in node.loopback)]
            if node.name in topology.damaged or server.value.is_loopback or _leads(ways, node, server.value):
                continue
            message = f"`{node.name}` has no route to its name server `{server.value}`"
            way_out = f"give it a gateway, or write `route {server.value} via A`"
            yield Diagnostic("NSL605", message, server.span, help=way_out, severity=Severity.WARNING)


def _leads(connected: list[IPNetwork], node: Namespace, server: IPAddress) -> bool:
    """Whether any prefix of the node's, connected or routed in whichever table, holds the server."""
    for route in node.routes:
        leads_on = route.via is not None or route.device is not None
        if leads_on and route.family == server.version and (route.destination is None or server in route.destination):
            return True
    return any(server in network for network in connected)
