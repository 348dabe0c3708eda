"""Links: the veth pair between two nodes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.diagnostics import Diagnostic
from nscompile.model import Interface, Link, Segment
from nscompile.records import dataclass
from nscompile.resolve import values
from nscompile.resolve.impairments import impairment
from nscompile.resolve.scope import Scope, only

if TYPE_CHECKING:
    from nscompile.model import Address, Given, Impairment
    from nscompile.resolve.naming import Key, Names


@dataclass(frozen=True, slots=True)
class Tip:
    """A link's end before names are granted; `name` is settled already, or the key of one that is wished for."""

    statement: syntax.End
    addresses: tuple[Address, ...]
    mac: Given[str] | None
    name: str | Key

    @property
    def node(self) -> str:
        return self.statement.node.text


@dataclass(frozen=True, slots=True)
class Cable:
    """A link before names are granted."""

    statement: syntax.Link
    left: Tip
    right: Tip
    mtu: Given[int] | None
    going_left: Impairment | None
    going_right: Impairment | None


def read(names: Names, scope: Scope) -> list[Cable]:
    cables: list[Cable] = []
    for links in _parallel(scope.links):
        for nth, statement in enumerate(links, 1):
            if _joins_two_nodes(statement, scope):
                cables.append(_read(statement, f"-{nth}" if nth > 1 else "", names, scope))
    # Grouping has moved later parallel links forward; the source's order is the script's.
    order = {id(statement): number for number, statement in enumerate(scope.links)}
    return sorted(cables, key=lambda cable: order[id(cable.statement)])


def _parallel(links: list[syntax.Link]) -> list[list[syntax.Link]]:
    """The links between each two nodes, in the order of their addresses, so that statements' order names nothing."""
    groups: defaultdict[frozenset[str], list[syntax.Link]] = defaultdict(list)
    for link in links:
        groups[frozenset((link.left.node.text, link.right.node.text))].append(link)
    return [sorted(group, key=_written) for group in groups.values()]


def _written(link: syntax.Link) -> list[tuple[str, list[str]]]:
    ends = (link.left, link.right)
    addresses = [[clause.addresses for clause in end.clauses if isinstance(clause, syntax.Ip)] for end in ends]
    return sorted(
        (end.node.text, [word.text for words in found for word in words])
        for end, found in zip(ends, addresses, strict=True)
    )


def _joins_two_nodes(statement: syntax.Link, scope: Scope) -> bool:
    left, right = statement.left.node, statement.right.node
    known = [scope.node(left), scope.node(right)]
    if None in known or left.text == right.text:
        scope.damaged |= {left.text, right.text}
        if None not in known:
            message = f"the link joins `{left.text}` to itself"
            scope.diagnostics.add(Diagnostic("NSL408", message, right.span, help="name two different nodes"))
        return False
    return True


def _read(statement: syntax.Link, suffix: str, names: Names, scope: Scope) -> Cable:
    left, right = statement.left, statement.right
    mtu = only(syntax.Mtu, statement.clauses, scope.diagnostics)
    both = impairment(statement.clauses, scope.diagnostics)
    return Cable(
        statement,
        _tip(left, f"{left.node.text}-{right.node.text}{suffix}", names, scope),
        _tip(right, f"{right.node.text}-{left.node.text}{suffix}", names, scope),
        values.mtu(mtu.value, scope.diagnostics) if mtu else None,
        going_left=both,
        going_right=impairment(left.clauses, scope.diagnostics) or both,
    )


def _tip(statement: syntax.End, natural: str, names: Names, scope: Scope) -> Tip:
    report = scope.diagnostics
    ip = only(syntax.Ip, statement.clauses, report)
    mac = only(syntax.Mac, statement.clauses, report)
    name = values.interface_name(statement.interface, report) if statement.interface else None
    addresses = values.addresses(ip.addresses, report) if ip else ()
    if ip is not None and len(addresses) < len(ip.addresses):
        scope.damaged.add(statement.node.text)
    return Tip(
        statement=statement,
        addresses=addresses,
        mac=values.mac(mac.value, report) if mac else None,
        name=name or names.wish(statement.node.text, natural, "interface", natural),
    )


def build(cable: Cable, granted: dict[Key, str]) -> Link:
    left, right = cable.left, cable.right
    segment = Segment(f"link {left.node}:{_name(left, granted)}", f"the link `{left.node} -- {right.node}`", None)

    def end(tip: Tip, sent: Impairment | None) -> Interface:
        return Interface(
            name=_name(tip, granted),
            namespace=tip.node,
            segment=segment,
            addresses=tip.addresses,
            in_place=isinstance(tip.name, str),
            mac=tip.mac,
            mtu=cable.mtu,
            span=(tip.statement.interface or tip.statement.node).span,
            impairment=sent,
        )

    return Link(end(left, cable.going_right), end(right, cable.going_left), cable.statement.span)


def _name(tip: Tip, granted: dict[Key, str]) -> str:
    return tip.name if isinstance(tip.name, str) else granted[tip.name]
