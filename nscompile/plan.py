"""The plan: every command that builds a lab, beside each the one that takes its work back.

Steps hold argument vectors, never shell text; quoting is the renderer's. Teardown is the setup read backwards, so it is
never written twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.source import Source, Span

Command: TypeAlias = tuple[str, ...]


class Section(Enum):
    """The parts of a script, in the article's order."""

    NAMESPACES = "Namespaces"
    PAIRS = "Veth pairs"
    MOVES = "Into their namespaces"
    UP = "Up"
    ADDRESSES = "Addresses"
    BRIDGES = "Bridges"
    PORTS = "Ports"
    UPLINKS = "Uplinks"
    ROUTES = "Routes"
    FORWARDING = "Forwarding"
    NAT = "NAT"


class Phase(Enum):
    """When a step runs: phases run in this order, the steps of one phase in the order of the source."""

    NAMESPACES = (1, Section.NAMESPACES)
    NAMESPACE_SETTINGS = (2, Section.NAMESPACES)
    PAIRS = (3, Section.PAIRS)
    MOVE_INTERFACES = (4, Section.MOVES)
    MOVE_PORTS = (5, Section.MOVES)
    INTERFACE_SETTINGS = (6, Section.UP)
    UP_LOOPBACKS = (7, Section.UP)
    UP_INTERFACES = (8, Section.UP)
    UP_PORTS = (9, Section.UP)
    ADDRESSES = (10, Section.ADDRESSES)
    BRIDGES = (11, Section.BRIDGES)
    PORTS = (12, Section.PORTS)
    VLANS = (13, Section.PORTS)
    UPLINKS = (14, Section.UPLINKS)
    DEFAULT_ROUTES = (15, Section.ROUTES)
    ROUTES = (16, Section.ROUTES)
    RULES = (17, Section.ROUTES)
    FORWARDING = (18, Section.FORWARDING)
    NAT = (19, Section.NAT)

    @property
    def order(self) -> int:
        return self.value[0]

    @property
    def section(self) -> Section:
        return self.value[1]


class Kind(Enum):
    """The kinds of thing on the host that a step makes or changes."""

    NAMESPACE = "namespace"
    INTERFACE = "interface"
    RULE = "rule"
    SETTING = "setting"


@dataclass(frozen=True, slots=True)
class Undo:
    """How to take back what a step did to the host: run `command` if the thing called `name` is there.

    The name of a rule is the command that looks for it.
    """

    kind: Kind
    name: Command
    command: Command


@dataclass(frozen=True, slots=True)
class Step:
    """One command. `undo` is None only where deleting a namespace removes what the command made.

    `passing` names interfaces that stand on the host for as long as they are not moved. `why` is one line for the
    reader of the script; steps with the same one stand together under it.
    """

    phase: Phase
    do: Command
    why: str
    span: Span = field(compare=False)
    undo: Undo | None = None
    passing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All the steps, in the order they run, and what the reader of the script is told about the lab.

    `drawing` is lines of text; `table` is rows, the first of them the head.
    """

    lab: str
    source: Source = field(compare=False)
    drawing: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    steps: tuple[Step, ...]
    outside: tuple[str, ...]

    def setup(self) -> Iterator[tuple[Section, Iterator[tuple[str, Iterator[Step]]]]]:
        """The steps by section, and in a section by their reason."""
        for section, steps in groupby(self.steps, key=lambda step: step.phase.section):
            yield section, groupby(steps, key=lambda step: step.why)

    def teardown(self) -> Iterator[tuple[Section, Iterator[Undo]]]:
        """What takes the steps back, by section, last first."""
        undone = [(step.phase.section, step.undo) for step in reversed(self.steps) if step.undo is not None]
        for section, pairs in groupby(undone, key=lambda pair: pair[0]):
            yield section, (undo for _, undo in pairs)

    def names(self, kind: Kind) -> list[Command]:
        """What the lab makes of one kind, in the order it makes it, each once."""
        made = [step.undo.name for step in self.steps if step.undo is not None and step.undo.kind is kind]
        return list(dict.fromkeys(made))

    def interfaces(self) -> list[str]:
        """Every interface that stands on the host, for good or in passing."""
        names = [name for step in self.steps for name in _on_host(step)]
        return list(dict.fromkeys(names))

    def tools(self) -> list[str]:
        """Every program that the lab's commands run, in a namespace or on the host."""
        return list(dict.fromkeys(tool for step in self.steps for tool in _tools(step.do)))

    def host_tools(self) -> list[str]:
        """The programs that the script itself calls."""
        return list(dict.fromkeys(step.do[0] for step in self.steps))


def _on_host(step: Step) -> tuple[str, ...]:
    lasting = step.undo.name if step.undo is not None and step.undo.kind is Kind.INTERFACE else ()
    return (*lasting, *step.passing)


def _tools(command: Command) -> tuple[str, ...]:
    """The programs that a command runs: the one it names, and the one that `ip netns exec NS` names."""
    return (command[0], command[4]) if command[:3] == ("ip", "netns", "exec") else (command[0],)
