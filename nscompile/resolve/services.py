"""What runs in the nodes, and how they find each other's names: `run`, `dns` and `hosts`."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.model import Given, Hosts, NameServers, Program
from nscompile.resolve import values
from nscompile.resolve.scope import Scope, only

if TYPE_CHECKING:
    from nscompile.model import IPAddress
    from nscompile.syntax import Word

_BROADCAST = IPv4Address("255.255.255.255")
MOST_SERVERS = 3  # MAXNS in resolv.h, for glibc and musl alike: a resolver does not read on


def programs(scope: Scope) -> tuple[Program, ...]:
    clauses = [(name, clause) for name, statement in scope.nodes.items() for clause in statement.clauses]
    return tuple(
        Program(name, clause.command.unquoted(), clause.span)
        for name, clause in clauses
        if isinstance(clause, syntax.Run) and _can_be_run(clause.command, scope.diagnostics)
    )


def _can_be_run(word: Word, diagnostics: Diagnostics) -> bool:
    """Whether the string is a command, on one line, that `sh -c` does not take for an option."""
    odd = next((at for at, char in enumerate(word.text) if not char.isprintable()), None)
    span = word.span
    if odd is not None:
        message = f"a command cannot hold the character U+{ord(word.text[odd]):04X}"
        span, way_out = word.part(odd, 1), "write a plain space, or put the command into a file and run that"
    elif not word.text[1:-1].strip():
        message, way_out = "there is no command to run", 'write what a shell would be told: `run "sleep 60"`, say'
    elif word.text[1] in "-+":
        message, way_out = f"a shell takes `{word.text[1]}` for the beginning of an option", "begin with a command"
        span = word.part(1, 1)
    else:
        return True
    diagnostics.add(Diagnostic("NSL601", message, span, help=way_out))
    return False


def name_servers(scope: Scope) -> tuple[NameServers, ...]:
    found = []
    for name, statement in scope.nodes.items():
        clause = only(syntax.Dns, statement.clauses, scope.diagnostics)
        if clause is not None:
            found.append(NameServers(name, _servers(clause, scope.diagnostics), clause.span))
    return tuple(found)


def _servers(clause: syntax.Dns, diagnostics: Diagnostics) -> tuple[Given[IPAddress], ...]:
    found: dict[IPAddress, Word] = {}
    for word in clause.servers:
        server = values.ip(word, diagnostics, "a name server")
        if server is None:
            continue
        if server.is_unspecified or server.is_multicast or server == _BROADCAST or _needs_zone(server):
            message = f"`{server}` cannot be the address of a name server"
            way_out = "give the address that the server itself has"
            diagnostics.add(Diagnostic("NSL604", message, word.span, help=way_out))
        elif server in found:
            also = ((found[server].span, "the first is here"),)
            diagnostics.add(Diagnostic("NSL602", f"the name server `{server}` is given twice", word.span, also=also))
        else:
            found[server] = word
    if len(found) > MOST_SERVERS:
        message = f"a node asks at most {MOST_SERVERS} name servers, and would never ask `{[*found][MOST_SERVERS]}`"
        span = [*found.values()][MOST_SERVERS].span
        diagnostics.add(Diagnostic("NSL602", message, span, help="leave out what is one too many"))
    return tuple(Given(server, word.span) for server, word in found.items())


def _needs_zone(server: IPAddress) -> bool:
    """Whether an address says nothing without an interface, as those of fe80::/10 do."""
    return server.version == 6 and server.is_link_local


def hosts(scope: Scope) -> Hosts | None:
    statement = only(syntax.Hosts, scope.hosts, scope.diagnostics)
    return Hosts(statement.span) if statement else None
