"""The grammar as tables, for `automaton.py` to run: worked out by lark, which is needed for nothing else.

lark takes 0.15 s to work them out, and 20 ms to be imported, so they are kept and lark is imported when they are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nscompile.kept import kept
from nscompile.resources import folder

if TYPE_CHECKING:
    from lark import Lark
    from lark.grammar import Rule, Symbol


class Tables(NamedTuple):
    """An LALR(1) automaton: its states are numbers, and so are its rules.

    `actions` of a state tell for each terminal that may come the state to shift it to, or ~RULE to reduce by; `gotos`
    tell for each rule's name the state behind it. `symbols` has the last symbol read in each state. `scanners` are
    regular expressions, and `scanner` tells which of them finds the terminals that a state can take.

    A rule is its name, what it builds, of how many symbols it is made, and its parts: N for symbol number N, ~N for the
    parts of one that stands for its parts, None for an optional one that is not there.
    """

    start: int
    end: int
    actions: list[dict[str, int]]
    gotos: list[dict[str, int]]
    symbols: list[str]
    scanner: list[int]
    scanners: list[str]
    ignored: list[str]
    rules: list[tuple[str, str, int, list[int | None]]]


def tables() -> Tables:
    grammar = (folder("grammar") / "nsl.lark").read_text(encoding="utf-8")
    made_from = grammar + Path(__file__).read_text(encoding="utf-8")
    return Tables(*kept("tables", made_from, lambda: tuple(built(read_by_lark(grammar)))))


def read_by_lark(grammar: str) -> Lark:
    from lark import Lark  # noqa: PLC0415 - seldom needed

    return Lark(grammar, parser="lalr", lexer="contextual", propagate_positions=True, maybe_placeholders=True)


def built(lark: Lark) -> Tables:
    table: Any = lark.parser.parser._parse_table  # noqa: SLF001 - there is no public way to it
    numbers = {state: number for number, state in enumerate(table.states)}
    rules = {rule: number for number, rule in enumerate(lark.rules)}
    actions: list[dict[str, int]] = []
    gotos: list[dict[str, int]] = []
    symbols = [""] * len(numbers)
    for moves in table.states.values():
        actions.append({})
        gotos.append({})
        for symbol, (action, to) in moves.items():
            row = actions[-1] if symbol.isupper() else gotos[-1]
            if str(action) == "Shift":
                row[symbol] = numbers[to]
                symbols[numbers[to]] = symbol
            else:
                row[symbol] = ~rules[to]
    patterns = [_scanner(lark, {*row, *lark.ignore_tokens}) for row in actions]
    scanners = list(dict.fromkeys(patterns))
    return Tables(
        start=numbers[table.start_states["start"]],
        end=numbers[table.end_states["start"]],
        actions=actions,
        gotos=gotos,
        symbols=symbols,
        scanner=[scanners.index(pattern) for pattern in patterns],
        scanners=scanners,
        ignored=list(lark.ignore_tokens),
        rules=[_rule(rule) for rule in lark.rules],
    )


def _scanner(lark: Lark, names: set[str]) -> str:
    """An expression with a group for each terminal, in the order that lark tries them in."""
    terminals = [terminal for terminal in lark.terminals if terminal.name in names]
    terminals.sort(key=lambda each: (-each.priority, -each.pattern.max_width, -len(each.pattern.value), each.name))
    return "|".join(f"(?P<{each.name}>{each.pattern.to_regexp()})" for each in terminals)


def _rule(rule: Rule) -> tuple[str, str, int, list[int | None]]:
    parts: list[int | None] = []
    symbols = iter(enumerate(rule.expansion))
    for is_empty in rule.options.empty_indices or [False] * len(rule.expansion):
        if is_empty:
            parts.append(None)
        else:
            number, symbol = next(symbols)
            parts += [] if _is_left_out(symbol) else [~number if symbol.name.startswith("_") else number]
    name = str(rule.origin.name)
    return name, rule.alias or name, len(rule.expansion), parts


def _is_left_out(symbol: Symbol) -> bool:
    """Whether a terminal is a keyword or punctuation, whose name begins with `_`."""
    return symbol.is_term and symbol.name.startswith("_")
