"""Text to syntax, and what is to be said where a text is none.

One run reports every mistake: at an unexpected word the rest of the line is skipped, the parser is taken back to the
last point where a line may end, and the statement that was hurt is dropped. Its words are kept in
`Parsed.lost`, so that nobody complains about a name whose declaration could not be read.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.automaton import Automaton, Grammar
from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.records import dataclass, field
from nscompile.source import Source, Span
from nscompile.syntax import Syntax

if TYPE_CHECKING:
    from collections.abc import Iterable

STATEMENTS = (
    *("lab", "bridge", "node", "router", "link", "uplink", "publish", "allow", "deny", "hosts"),
    *("dummy", "vlan", "macvlan", "ipvlan", "bond", "vrf", "vxlan", "gre", "ipip", "sit", "wireguard", "phys"),
    *("defaults", "let", "for", "include"),
)

# What a person would call a terminal of the grammar; keywords are called by their own word.
_CALLED = {
    "NAME": "a name",
    "VALUE": "a value",
    "SETTING": "`KEY=VALUE`",
    "STRING": "a string in double quotes",
    "VARIABLE": "the name of a variable, of letters, digits and `_`",
    "RULE_KEY": "`from`, `to`, `iif`, `oif`, `table` and the like",
    "RULE_FLAG": "`not`, `blackhole` and the like",
    "_DASHES": "`--`",
    "_EQUALS": "`=`",
    "_ARROW": "`->`",
    "_COLON": "`:`",
    "_COMMA": "`,`",
    "_LBRACE": "`{`",
    "_RBRACE": "`}`",
    "_NL": "the end of the line",
}

# What stands after a keyword, where "a name" or "a value" would say too little.
_AFTER = {
    "_IP": "an address such as `192.0.2.1/24`, or `none`",
    "_ON": "the name of a bridge",
    "_UPLINK": "the name of a bridge",
    "_LINK": "the name of a node",
    "_DASHES": "the name of a node",
    "_IN": "the name of a namespace",
    "_NET": "a prefix such as `192.0.2.0/24`",
    "_VIA": "an address, or after `nat` an interface of the host",
    "_DEV": "an interface of the node",
    "_MTU": "a number of bytes",
    "_MAC": "an address such as `02:00:00:00:00:01`",
    "_DELAY": "a time such as `10ms`",
    "_JITTER": "a time such as `2ms`",
    "_LOSS": "a share of the packets such as `1%`",
    "_DUPLICATE": "a share of the packets such as `1%`",
    "_REORDER": "a share of the packets such as `5%`",
    "_CORRUPT": "a share of the packets such as `0.1%`",
    "_RATE": "bits a second such as `10mbit`",
    "_LIMIT": "a number of packets",
    "_GATEWAY": "an address such as `192.0.2.254`, or `none`",
    "_ROUTE": "a prefix such as `198.51.100.0/24`, or `default`",
    "_LOOPBACK": "an address such as `192.0.2.1/32`",
    "_SYSCTL": "`KEY=VALUE`",
    "_TRUNK": "VLANs such as `10` or `20-29`",
    "_ID": "the number of a VLAN or VXLAN",
    "_OF": "the names of its members",
    "_HOST": "an interface of the host",
    "_PHYS": "an interface of the host",
    "_PEER": "the name of a node",
    "_ENDPOINT": "an address of the node that its peers reach",
    "_LOCAL": "an address of the node itself",
    "_REMOTE": "the address of the other end",
    "_GROUP": "a multicast address such as `239.1.1.1`",
    "_PORT": "a port number",
    "_TTL": "a number from 1 to 255",
    "_KEY": "a number, or for wireguard the file of a private key",
    "_MODE": "a mode, as `ip link` calls it",
    "_VLAN": "the number of a VLAN, or the name of a subinterface such as `eth0.10`",
    "_RUN": "a command in double quotes",
    "_DNS": "the address of a name server",
    "_PUBLISH": "a port of the host such as `8080`, `53/udp` or `192.0.2.1:8080`",
    "_TO": "a node and its port, `NODE:PORT`",
    "_ALLOW": "a node, a prefix or `*`",
    "_DENY": "a node, a prefix or `*`",
    "_ARROW": "a node, a prefix or `*`",
}

_CLOSE = "close the block with a `}` on a line of its own"

_REST_OF_LINE = re.compile(r"(?:\\[ \t]*\n|#[^\n]*|[^\n])*")
_BRACED = re.compile(r"\$\{(\w+)")
_NUMBER_BEFORE = re.compile(r"\s([0-9]+(?:\.[0-9]+)?)[ \t]+$")
_UNITS = frozenset("us ms s % bit kbit mbit gbit".split())
_WORD = re.compile(r'[^\s#{},:"\\]+|.')


@dataclass(frozen=True, slots=True)
class Parsed:
    """The statements of a file that could be read, and every word of those that could not."""

    statements: tuple[Syntax, ...]
    lost: frozenset[str] = field(default_factory=frozenset)


def parse(source: Source, diagnostics: Diagnostics) -> Parsed:
    recovery = _Recovery(source, diagnostics)
    grammar = _grammar()
    statements = Automaton(grammar, source, source.text + "\n", [grammar.tables.start]).run(recovery)
    if statements is None:
        return Parsed((), recovery.lost([]))
    hurt = [recovery.touches(statement.span) for statement in statements]
    return Parsed(
        tuple(statement for statement, is_hurt in zip(statements, hurt, strict=True) if not is_hurt),
        recovery.lost(statement.span for statement, is_hurt in zip(statements, hurt, strict=True) if is_hurt),
    )


@cache
def _grammar() -> Grammar:
    """For each rule the node of the same name."""
    return Grammar(
        {
            re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): value
            for name, value in vars(syntax).items()
            if isinstance(value, type) and issubclass(value, Syntax)
        }
    )


@cache
def _keywords() -> frozenset[str]:
    terminals = {terminal for row in _grammar().tables.actions for terminal in row}
    return frozenset(_keyword(terminal) for terminal in terminals if terminal.startswith("_"))


class _Recovery:
    """Called at each unexpected word: reports it and leaves the automaton where it can go on."""

    def __init__(self, source: Source, diagnostics: Diagnostics) -> None:
        self._source = source
        self._diagnostics = diagnostics
        self._skipped: list[Span] = []
        self._last_stop = -1

    def __call__(self, automaton: Automaton, start: int) -> None:
        text = self._source.text
        at_end = start > len(text)
        start = min(start, len(text))
        accepted = automaton.accepts()
        keyword = self._statement_keyword(start)
        in_open_block = "_RBRACE" in accepted and (at_end or keyword is not None)
        if start != self._last_stop:
            after = automaton.grammar.tables.symbols[automaton.states[-1]]
            self._diagnostics.add(self._explain(start, after, accepted, in_open_block=in_open_block))
        if in_open_block and keyword is not None:
            # The block was never closed, but the new statement can be read.
            stop, goal = start, keyword
        else:
            stop, goal = _end_of_line(text, start), "$END" if at_end else "_NL"
        first = _unwind(automaton, goal, further=stop == self._last_stop)
        self._skipped.append(Span(self._source, start if first is None else first, stop))
        self._last_stop = stop
        automaton.position = stop

    def touches(self, span: Span) -> bool:
        # What was skipped stands in source order, no two pieces over one another.
        after = bisect_right(self._skipped, span.start, key=lambda skipped: skipped.end)
        return after < len(self._skipped) and self._skipped[after].start <= _end_of_line(self._source.text, span.end)

    def lost(self, hurt: Iterable[Span]) -> frozenset[str]:
        """The words of all that could not be read, whole lines at a time."""
        text = self._source.text
        pieces = [text[_start_of_line(text, span.start) : span.end] for span in [*self._skipped, *hurt]]
        return frozenset(word for piece in pieces for word in _WORD.findall(piece))

    def _statement_keyword(self, start: int) -> str | None:
        """The terminal of the statement that begins at `start`, if one does."""
        text = self._source.text
        word = _WORD.match(text, start)
        first_of_line = not text[_start_of_line(text, start) : start].strip()
        return f"_{word[0].upper()}" if word and first_of_line and word[0] in STATEMENTS else None

    def _explain(self, start: int, after: str, accepted: set[str], *, in_open_block: bool) -> Diagnostic:
        text = self._source.text
        if start >= len(text):
            end = len(text.rstrip())
            span = Span(self._source, max(end - 1, 0), end)
            return Diagnostic("NSL013", "the file ends inside a block", span, help=_CLOSE)
        expected = sorted(accepted - {"$END"})
        wanted = _wanted(after, expected)
        joined = _joined(text[_start_of_line(text, start) : start], accepted)
        if text[start] == "\n":
            span = Span(self._source, start, start + 1)
            message, label = "the statement ends too early", f"expected {wanted}"
            return Diagnostic("NSL013", message, span, label=label, help=joined)
        found = _WORD.match(text, start)
        span = Span(self._source, start, found.end() if found else start + 1)
        if in_open_block:
            message = f"`{span.text}` begins a statement, but the block above is still open"
            return Diagnostic("NSL012", message, span, help=f"{_CLOSE} before it")
        if joined:
            return Diagnostic("NSL012", f"unexpected `{span.text}`", span, label=f"expected {wanted}", help=joined)
        return _odd_character(span, accepted) or _torn_off(span) or _braced(span) or _unexpected(span, expected, wanted)


def _odd_character(span: Span, accepted: set[str]) -> Diagnostic | None:
    """A mistake of a single character, which no word begins with."""
    char = span.text[0]
    if char == '"' and "STRING" in accepted:
        return Diagnostic("NSL014", "the string is not closed", span, help='end it with a `"` on the same line')
    if not char.isprintable() or char.isspace():
        message, way_out = f"unexpected character U+{ord(char):04X}", "write a plain space, or nothing"
        return Diagnostic("NSL014", message, span.part(0, 1), help=way_out)
    return None


def _torn_off(span: Span) -> Diagnostic | None:
    """A unit with a space before it."""
    text = span.source.text
    number = _NUMBER_BEFORE.search(text[_start_of_line(text, span.start) : span.start])
    if number is None or span.text not in _UNITS:
        return None
    way_out = f"write `{number[1]}{span.text}`, without a space"
    return Diagnostic("NSL012", f"unexpected `{span.text}`", span, help=way_out)


def _joined(line: str, accepted: set[str]) -> str | None:
    """A sign that is missing, since without spaces it is a part of the word before."""
    word = line.rstrip().rpartition(" ")[2]
    for terminal, sign in (("_ARROW", "->"), ("_DASHES", "--")):
        if terminal in accepted and sign in word.removeprefix(sign):
            return f"put a space on either side of `{sign}`"
    return None


def _braced(span: Span) -> Diagnostic | None:
    """A variable in braces, as a shell has them."""
    text = span.source.text
    found = _BRACED.match(text, max(span.start - (1 if span.text == "{" else 2), 0))
    if not found:
        return None
    way_out = f"write `${found[1]}`, or `$({found[1]})` where letters follow"
    return Diagnostic("NSL012", f"unexpected `{span.text}`", span, help=way_out)


def _unexpected(span: Span, expected: list[str], wanted: str) -> Diagnostic:
    """A word that cannot stand where it does."""
    word = span.text
    keywords = [_keyword(name) for name in expected if name not in _CALLED]
    if {*STATEMENTS} - {"include"} <= {*keywords}:
        listed = ", ".join(f"`{statement}`" for statement in STATEMENTS)
        way_out = _near(word, STATEMENTS) or f"the statements are {listed}"
        if word in _keywords():
            way_out = f"`{word}` is a clause: it stands on the line of its statement, or in a block there"
        return Diagnostic("NSL011", f"no statement begins with `{word}`", span, help=way_out)
    message = f"unexpected `{word}`"
    if len(expected) <= 3:
        return Diagnostic("NSL012", message, span, label=f"expected {wanted}")
    return Diagnostic("NSL012", message, span, help=_near(word, keywords) or f"expected {wanted}")


def _unwind(automaton: Automaton, goal: str, *, further: bool) -> int | None:
    """Takes parts of a statement off the automaton's stack until the terminal `goal` can come next.

    Returns the offset of the first token that was taken off, if any was.
    """
    tables, states = automaton.grammar.tables, automaton.states
    first = None
    while len(states) > 1 and (further or goal not in tables.actions[states[-1]]):
        further = False
        automaton.values.pop()
        start = automaton.starts.pop()
        if tables.symbols[states.pop()].isupper():
            first = start
    return first


def _keyword(terminal: str) -> str:
    return terminal.strip("_").lower().replace("_", "-")


def _near(word: str, words: Iterable[str]) -> str | None:
    near = get_close_matches(word, words, 1, 0.7)
    return f"did you mean `{near[0]}`?" if near else None


def _wanted(after: str, expected: list[str]) -> str:
    if after in _AFTER and {"NAME", "VALUE", "SETTING", "STRING"} & set(expected):
        return _AFTER[after]
    keywords = [f"`{_keyword(name)}`" for name in expected if name not in _CALLED]
    items = [*keywords, *(_CALLED[name] for name in _CALLED if name in expected)]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"


def _start_of_line(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _end_of_line(text: str, offset: int) -> int:
    """The end of the line that `offset` is on, its continuations included."""
    line = _REST_OF_LINE.match(text, offset)
    return line.end() if line else offset
