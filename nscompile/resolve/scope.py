"""What the lab declares: every name with its statement, and the look-ups that know what was meant."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from nscompile import syntax
from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.records import dataclass, field
from nscompile.resolve import values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nscompile.source import Span
    from nscompile.syntax import Statement, Word

_Clause = TypeVar("_Clause", bound=syntax.Syntax)


@dataclass(slots=True)
class Scope:
    """The declared names, devices by namespace (None: the host) and name.

    `lost` are words of statements that could not be read: no complaint about those, nor about names that begin as
    one of `lost_beginnings`, which a range or variable went on.
    """

    diagnostics: Diagnostics
    lost: frozenset[str]
    lab: syntax.Lab | None = None
    bridges: dict[str, syntax.Bridge] = field(default_factory=dict)
    nodes: dict[str, syntax.Node] = field(default_factory=dict)
    links: list[syntax.Link] = field(default_factory=list)
    uplinks: list[syntax.Uplink] = field(default_factory=list)
    devices: dict[tuple[str | None, str], syntax.Device] = field(default_factory=dict)
    lost_beginnings: tuple[str, ...] = ()
    hosts: list[syntax.Hosts] = field(default_factory=list)
    publications: list[syntax.Publish] = field(default_factory=list)
    policies: list[syntax.Policy] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)

    def bridge(self, word: Word, user: str | None = None) -> syntax.Bridge | None:
        found = self.bridges.get(word.text)
        if found is None:
            self._unknown("bridge", word, self.bridges, self.nodes)
            if user is not None:
                self.damaged.add(user)
        return found

    def node(self, word: Word) -> syntax.Node | None:
        found = self.nodes.get(word.text)
        if found is None:
            self._unknown("node", word, self.nodes, self.bridges)
        return found

    def is_damaged(self, node: str) -> bool:
        """Whether a part of a node could not be resolved, so that nobody complains of what it lacks."""
        return node in self.damaged or self.is_lost(node)

    def is_lost(self, name: str) -> bool:
        """Whether a statement that could not be read may have declared a name."""
        return name in self.lost or name.startswith(self.lost_beginnings)

    def _unknown(self, what: str, word: Word, known: Iterable[str], others: Iterable[str]) -> None:
        if self.is_lost(word.text):
            return
        near = get_close_matches(word.text, known, 1)
        if near:
            way_out = f"did you mean `{near[0]}`?"
        elif word.text in others:
            way_out = f"`{word.text}` is a {'node' if what == 'bridge' else 'bridge'}"
        else:
            way_out = f"declare it: `{what} {word.text}`"
        message = f"no {what} is called `{word.text}`"
        self.diagnostics.add(Diagnostic("NSL101", message, word.span, help=way_out))


def declare(statements: list[Statement], lost: frozenset[str], diagnostics: Diagnostics) -> Scope:
    scope = Scope(diagnostics, lost)
    for statement in statements:
        match statement:
            case syntax.Lab():
                _declare_lab(statement, scope)
            case syntax.Bridge():
                if values.interface_name(statement.name, diagnostics) is None:
                    scope.lost |= {statement.name.text}
                else:
                    _declare("bridge", statement, statement.name, scope.bridges, diagnostics)
            case syntax.Node():
                if values.name(statement.name, diagnostics) is None:
                    scope.lost |= {statement.name.text}
                else:
                    _declare("node", statement, statement.name, scope.nodes, diagnostics)
            case syntax.Device():
                _declare_device(statement, scope)
            case _:
                _keep(statement, scope)
    scope.lost_beginnings = tuple({re.split(r"[\[$]", word)[0] for word in scope.lost if "[" in word or "$" in word})
    return scope


def _keep(statement: Statement, scope: Scope) -> None:
    """What has no name of its own, in source order."""
    match statement:
        case syntax.Link():
            scope.links.append(statement)
        case syntax.Uplink():
            scope.uplinks.append(statement)
        case syntax.Hosts():
            scope.hosts.append(statement)
        case syntax.Publish():
            scope.publications.append(statement)
        case syntax.Policy():
            scope.policies.append(statement)


def _declare_lab(statement: syntax.Lab, scope: Scope) -> None:
    if values.name(statement.name, scope.diagnostics) is None:
        return
    if scope.lab is not None:
        _duplicate("a lab has one name", statement.span, scope.lab.span, scope.diagnostics)
        return
    scope.lab = statement


def _declare_device(statement: syntax.Device, scope: Scope) -> None:
    """A device has its name in its namespace; whether that is declared is seen once all statements are known."""
    if None in (values.interface_name(word, scope.diagnostics) for word in (statement.name, statement.called)):
        return
    home = only(syntax.In, statement.clauses, scope.diagnostics)
    place = (home.namespace.text if home else None, statement.called.text)
    first = scope.devices.setdefault(place, statement)
    if first is not statement:
        what = f"`{place[0]}` has a second interface called" if place[0] else "there is a second interface called"
        _duplicate(f"{what} `{place[1]}`", statement.called.span, first.called.span, scope.diagnostics)


_Declared = TypeVar("_Declared", syntax.Bridge, syntax.Node)


def _declare(
    what: str, statement: _Declared, name: Word, known: dict[str, _Declared], diagnostics: Diagnostics
) -> None:
    first = known.setdefault(name.text, statement)
    if first is not statement:
        _duplicate(f"a second {what} is called `{name.text}`", name.span, first.name.span, diagnostics)


def _duplicate(message: str, span: Span, first: Span, diagnostics: Diagnostics) -> None:
    diagnostics.add(Diagnostic("NSL102", message, span, also=((first, "the first is here"),)))


def only(kind: type[_Clause], clauses: Iterable[syntax.Syntax], diagnostics: Diagnostics) -> _Clause | None:
    """The one clause of a kind that may stand once, or None where it does not stand."""
    found: _Clause | None = None
    for clause in clauses:
        if not isinstance(clause, kind):
            continue
        if found is None:
            found = clause
        else:
            word = clause.span.text.split()[0]
            diagnostics.add(
                Diagnostic("NSL015", f"`{word}` is given twice", clause.span, also=((found.span, "the first is here"),))
            )
    return found
