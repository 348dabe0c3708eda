"""The plan: every command that builds a lab, beside each the one that takes its work back.

Steps hold argument vectors, never shell text; quoting is the renderer's. Teardown is the setup read backwards, so it is
never written twice.
"""

from __future__ import annotations

from enum import Enum
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from nscompile.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Network, IPv6Network

    from nscompile.source import Source, Span

Command: TypeAlias = tuple[str, ...]

# Where a lab keeps what it must know while it is up: a folder of its own, that only root can look into.
STATE = "/run/nscompile"


# What a command begins with that runs in the namespace whose name comes next.
ENTER: Command = ("ip", "netns", "exec")


class FileContents(str):
    """The word of a command that is what a file holds when the command runs; the text is the file's path."""

    __slots__ = ()


class Section(Enum):
    """The parts of a script, in the article's order."""

    NAMESPACES = "Namespaces"
    PAIRS = "Veth pairs"
    MOVES = "Into their namespaces"
    DEVICES = "Devices"
    UP = "Up"
    ADDRESSES = "Addresses"
    BRIDGES = "Bridges"
    PORTS = "Ports"
    UPLINKS = "Uplinks"
    ROUTES = "Routes"
    INSIDE = "Inside the namespaces"
    IMPAIRMENTS = "Impairments"
    FORWARDING = "Forwarding"
    NAT = "NAT"
    PUBLISHED = "Published ports"
    POLICY = "Policy"
    NAMES = "Names"
    PROGRAMS = "Programs"


class Phase(Enum):
    """When a step runs: phases run in this order, the steps of one phase in the order of the source.

    The last two are those of an optimized plan alone, which has its own order.
    """

    NAMESPACES = (1, Section.NAMESPACES)
    NAMESPACE_SETTINGS = (2, Section.NAMESPACES)
    PAIRS = (3, Section.PAIRS)
    MOVE_INTERFACES = (4, Section.MOVES)
    MOVE_PORTS = (5, Section.MOVES)
    LOANS = (6, Section.DEVICES)
    KEYS = (7, Section.DEVICES)
    DEVICES = (8, Section.DEVICES)
    MEMBERS = (9, Section.DEVICES)
    INTERFACE_SETTINGS = (10, Section.UP)
    UP_LOOPBACKS = (11, Section.UP)
    UP_INTERFACES = (12, Section.UP)
    UP_PORTS = (13, Section.UP)
    UP_DEVICES = (14, Section.UP)
    ADDRESSES = (15, Section.ADDRESSES)
    BRIDGES = (16, Section.BRIDGES)
    PORTS = (17, Section.PORTS)
    VLANS = (18, Section.PORTS)
    UPLINKS = (19, Section.UPLINKS)
    DEFAULT_ROUTES = (20, Section.ROUTES)
    ROUTES = (21, Section.ROUTES)
    RULES = (22, Section.ROUTES)
    IMPAIRMENTS = (23, Section.IMPAIRMENTS)
    RATES = (24, Section.IMPAIRMENTS)
    FORWARDING = (25, Section.FORWARDING)
    LATE_SETTINGS = (26, Section.FORWARDING)
    PASSAGES = (27, Section.FORWARDING)
    NAT = (28, Section.NAT)
    PUBLISHED = (29, Section.PUBLISHED)
    POLICY = (30, Section.POLICY)
    NAMES = (31, Section.NAMES)
    PROGRAMS = (32, Section.PROGRAMS)
    NODES = (33, Section.INSIDE)
    HOMES = (34, Section.BRIDGES)

    def __init__(self, order: int, section: Section) -> None:
        self.order = order
        self.section = section


class Firewall(Enum):
    """The tool that NAT and forwarding are told with."""

    IPTABLES = "iptables"
    NFT = "nft"


class Kind(Enum):
    """The kinds of thing on the host that a step makes or changes."""

    NAMESPACE = "namespace"
    INTERFACE = "interface"
    RULE = "rule"
    SETTING = "setting"
    PASSAGE = "passage"
    INSIDE = "inside"
    LOAN = "loan"
    FILE = "file"


# Functions of the scripts' prelude that a plan may call, where what a command does depends on the host.
FUNCTIONS = ("give_back", "let_pass", "let_pass_no_more", "progress", "restore")
# What every shell is or has beside it, and the prelude takes for granted.
_COMMON = ("cat", "cd", "exec", "ln", "mkdir", "sh", "umask")


@dataclass(frozen=True, slots=True)
class Undo:
    """How to take back what a step did to the host.

    `name` is what the thing is known by. That of a rule is the command that looks for it; that of something inside a
    namespace, which the host yet feels, is the namespace.
    """

    kind: Kind
    name: Command
    command: Command


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a kernel may lack, and a command that shows in an empty network namespace whether it does."""

    what: str
    trial: Command


@dataclass(frozen=True, slots=True)
class Step:
    """One command. `undo` is None only where deleting a namespace, or an interface, removes what the command made.

    `passing` names interfaces that stand on the host for as long as they are not moved. `why` is a line for the reader
    of the script, or several; steps with the same one stand together under it. `stdin` and `stdout` are files; `text`
    is lines that the command reads instead of the first. One in the `background` sends its errors to the second too.
    Of steps with the same `why`, those of one `share` run beside those of another; 0 is the script itself.
    """

    phase: Phase
    do: Command
    why: str
    span: Span = field(compare=False)
    undo: Undo | None = None
    passing: tuple[str, ...] = ()
    need: Need | None = None
    stdin: str = ""
    stdout: str = ""
    text: tuple[str, ...] = ()
    background: bool = False
    share: int = 0

    @property
    def namespace(self) -> str | None:
        """The one that the command runs in; None is the host."""
        return self.do[3] if self.do[:3] == ENTER else None

    @property
    def command(self) -> Command:
        """What runs there."""
        return self.do[4:] if self.do[:3] == ENTER else self.do


@dataclass(frozen=True, slots=True)
class Plan:
    """All the steps, in the order they run, and what the reader of the script is told about the lab.

    `drawing` is lines of text; `table` is rows, the first of them the head. `outside` are the interfaces that the host
    must have already, `host_prefixes` those that it must not have yet. For what the lab publishes `host_addresses` must
    be there already, and `host_ports` not be in use.
    """

    lab: str
    sources: tuple[Source, ...] = field(compare=False)
    drawing: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    steps: tuple[Step, ...]
    outside: tuple[str, ...]
    host_prefixes: tuple[IPv4Network | IPv6Network, ...]
    host_addresses: tuple[str, ...]
    host_ports: tuple[Command, ...]
    firewall: Firewall
    optimized: bool = False

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
        lasting = {id(step): step.undo.name for step in self.steps if step.undo and step.undo.kind is Kind.INTERFACE}
        return list(dict.fromkeys(name for step in self.steps for name in (*lasting.get(id(step), ()), *step.passing)))

    def passing(self) -> list[str]:
        """The interfaces that stand on the host only until they are moved."""
        return [name for step in self.steps for name in step.passing]

    def fingerprint(self) -> str:
        """What tells the scripts of this plan from those of another lab of the same name."""
        taken_back = [step.undo.command for step in self.steps if step.undo is not None]
        return sha256(repr((self.interfaces(), taken_back)).encode()).hexdigest()[:12]

    def inputs(self) -> list[str]:
        """The files of the host that the lab's commands read."""
        files = [step.stdin for step in self.steps if step.stdin and not step.stdin.startswith(f"{STATE}/")]
        return list(dict.fromkeys(files))

    def needs(self) -> list[Need]:
        return list(dict.fromkeys(step.need for step in self.steps if step.need is not None))

    def tools(self) -> list[str]:
        """Every program that the lab's commands run, in a namespace or on the host."""
        called = dict.fromkeys(tool for step in self.steps for tool in _tools(step.do))
        if self.optimized:
            filters = [step.command[0] for step in self.steps if step.namespace and step.command[0].endswith("tables")]
            called |= dict.fromkeys(["nsenter", *(f"{tool}-restore" for tool in filters)])
        return [tool for tool in called if tool not in (*FUNCTIONS, *_COMMON)]

    def has_progress(self) -> bool:
        """Whether the script says how far it is."""
        return any(step.do[0] == "progress" for step in self.steps)

    def has_shares(self) -> bool:
        """Whether shells beside the script do some of the work."""
        return any(step.share for step in self.steps)


def _tools(command: Command) -> tuple[str, ...]:
    """The programs that a command runs: the one it names, and those that it names to be run in turn."""
    if command[0] in {"exec", "setsid"}:
        return (command[0], *_tools(command[1:]))
    return (command[0], command[4]) if command[:3] == ENTER else (command[0],)
