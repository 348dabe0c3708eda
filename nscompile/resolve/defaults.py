"""Defaults: the clauses that statements have unless they say otherwise, put in where they belong.

They are put into the syntax, so that no later step knows of defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from nscompile import syntax
from nscompile.diagnostics import Diagnostic
from nscompile.records import replace

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from nscompile.diagnostics import Diagnostics
    from nscompile.syntax import Statement, Syntax

# What a default is for: the kinds of syntax that may have the clause.
_TAKERS: dict[type[Syntax], tuple[type[Syntax], ...]] = {
    syntax.Mtu: (syntax.Bridge, syntax.Attachment, syntax.Link, syntax.Uplink),
    syntax.Sysctl: (syntax.Node,),
    syntax.Dns: (syntax.Node,),
    **dict.fromkeys(get_args(syntax.ImpairmentClause), (syntax.Attachment, syntax.Link)),
}


def with_defaults(statements: Sequence[Statement], diagnostics: Diagnostics) -> list[Statement]:
    """The statements but for `defaults`, each with the clauses that those give it."""
    given = [clause for each in statements if isinstance(each, syntax.Defaults) for clause in each.clauses]
    if not given:
        return [statement for statement in statements if not isinstance(statement, syntax.Defaults)]
    _each_once(given, diagnostics)
    return [_completed(statement, given) for statement in statements if not isinstance(statement, syntax.Defaults)]


def _each_once(given: Sequence[Syntax], diagnostics: Diagnostics) -> None:
    first: dict[Hashable, Syntax] = {}
    for clause in given:
        if (other := first.setdefault(_key(clause), clause)) is not clause:
            also = ((other.span, "the first is here"),)
            diagnostics.add(Diagnostic("NSL015", f"`{_called(clause)}` is given twice", clause.span, also=also))


def _key(clause: Syntax) -> Hashable:
    """Clauses of one key say different things about the same."""
    return (type(clause), _called(clause) if isinstance(clause, syntax.Sysctl) else None)


def _called(clause: Syntax) -> str:
    if isinstance(clause, syntax.Sysctl):
        return clause.setting.text.partition("=")[0]
    return clause.span.text.split()[0]


def _completed(taker: Any, given: Sequence[Syntax]) -> Any:
    """The clauses come before the statement's own, as they would if each statement began with them."""
    own = getattr(taker, "clauses", ())
    said = {_key(clause) for clause in own}
    missing = [each for each in given if isinstance(taker, _TAKERS[type(each)]) and _key(each) not in said]
    if isinstance(taker, syntax.Node):
        own = tuple(_completed(clause, given) if isinstance(clause, syntax.Attachment) else clause for clause in own)
    return replace(taker, clauses=(*missing, *own)) if missing or isinstance(taker, syntax.Node) else taker
