"""Policy rules: who is meant by FROM and TO, and which traffic; their order is kept, since it decides."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.diagnostics import Diagnostic
from nscompile.model import Peer, Policy
from nscompile.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.resolve.scope import Scope
    from nscompile.syntax import Word

_PROTOCOLS = ("tcp", "udp", "icmp")

_RANGE = re.compile(r"[^-]+-[^-]+")

# What is meant as an address rather than as a name, be it right or wrong.
_ADDRESS = re.compile(r"[\d.]+(/.*)?|[\da-fA-F]*:.*|.*/.*")


def policies(scope: Scope) -> tuple[Policy, ...]:
    denials = [number for number, statement in enumerate(scope.policies) if isinstance(statement, syntax.Deny)]
    # One that cannot be read, or resolved, is one all the same.
    last = len(scope.policies) if "deny" in scope.lost else max(denials, default=-1)
    return tuple(
        policy
        for number, statement in enumerate(scope.policies)
        for policy in _policy(statement, scope, is_last=number > last)
    )


def _policy(statement: syntax.Policy, scope: Scope, *, is_last: bool) -> Iterator[Policy]:
    source, target = _peer(statement.source, scope), _peer(statement.target, scope)
    if _traffic_is_sound(statement, scope):
        ports = _ports(statement.ports, scope) if statement.ports else None
        unread = statement.ports is not None and ports is None
        if source is not None and target is not None and not unread:
            protocol = statement.protocol.text if statement.protocol else None
            allow = isinstance(statement, syntax.Allow)
            yield Policy(allow, source, target, protocol, ports, is_last, statement.span)


def _peer(word: Word, scope: Scope) -> Peer | None:
    if word.text == "*":
        return Peer()
    if word.text not in scope.nodes and _ADDRESS.fullmatch(word.text):
        prefix = values.prefix(word, scope.diagnostics)
        return None if prefix is None else Peer(prefix=prefix)
    return None if scope.node(word) is None else Peer(node=word.text)


def _traffic_is_sound(statement: syntax.Policy, scope: Scope) -> bool:
    protocol, ports = statement.protocol, statement.ports
    if protocol is None:
        return True
    if protocol.text not in _PROTOCOLS:
        if protocol.text[0].isdigit():
            message = f"`{protocol.text}` is a port, but of which protocol?"
            way_out = f"write `tcp {protocol.text}` or `udp {protocol.text}`"
        else:
            message = f"`{protocol.text}` is no protocol of a rule"
            near = get_close_matches(protocol.text, _PROTOCOLS, 1)
            way_out = f"did you mean `{near[0]}`?" if near else "write `tcp`, `udp` or `icmp`, or nothing for all"
        scope.diagnostics.add(Diagnostic("NSL706", message, protocol.span, help=way_out))
        return False
    if protocol.text == "icmp" and ports is not None:
        scope.diagnostics.add(Diagnostic("NSL706", "`icmp` has no ports", ports.span, help="leave the port out"))
        return False
    return True


def _ports(word: Word, scope: Scope) -> tuple[int, int] | None:
    pieces = [word]
    if _RANGE.fullmatch(word.text):
        first, _, last = word.text.partition("-")
        pieces = [syntax.Word(first, word.part(0, len(first))), syntax.Word(last, word.part(len(first) + 1, len(last)))]
    numbers = [values.port(piece, scope.diagnostics) for piece in pieces]
    low, high = numbers[0], numbers[-1]
    if low is None or high is None:
        return None
    if high < low:
        message = f"the ports `{word.text}` run backwards"
        scope.diagnostics.add(Diagnostic("NSL701", message, word.span, help=f"write `{high}-{low}`"))
        return None
    return low, high
