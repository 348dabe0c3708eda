"""The same network in a fraction of the time: passes over the plan, each a function that says what it does.

What takes the time is the number of commands, not the network: moving an interface waits for a grace period of RCU,
some 18 ms, and a process takes 1 to 3 ms to start. So nothing is moved, and what is to be done in a namespace is
brought together, for the renderer to hand it to one process.

Steps remain single commands, each with its own undo: teardown is derived as ever.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from nscompile.plan import ENTER, Phase
from nscompile.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nscompile.plan import Command, Plan, Step

# What makes a bridge of a namespace, or of the host.
_AT_BRIDGES = {Phase.UP_PORTS, Phase.BRIDGES, Phase.PORTS, Phase.VLANS}
# Where commands that set one interface may as well be one. The members of bonds and VRFs come earlier: before Linux 6.0
# such a command would bring a member up first, and a bond takes none that is up.
_SETTING = {
    *(Phase.INTERFACE_SETTINGS, Phase.UP_LOOPBACKS, Phase.UP_INTERFACES, Phase.UP_PORTS, Phase.UP_DEVICES),
    *(Phase.BRIDGES, Phase.PORTS, Phase.UPLINKS),
}

_SET = ("ip", "link", "set")

_SHARES = 2
_WORTH_SHARING = 16  # namespaces


def optimize(plan: Plan) -> Plan:
    steps = list(plan.steps)
    for each in PASSES:
        steps = each(steps)
    return replace(plan, steps=tuple(steps), optimized=True)


def made_in_place(steps: list[Step]) -> list[Step]:
    """A veth pair is made with each end where it belongs, so that nothing is moved."""
    moves = {id(step): step.do for step in steps if step.do[:3] == _SET and step.do[-2] == "netns" and not step.undo}
    places = {_set_device(command): command[-1] for command in moves.values()}
    staying = [step for step in steps if id(step) not in moves]
    return [_made_in_place(step, places) if _middle(step.do) else step for step in staying]


def _made_in_place(step: Step, places: dict[str, str]) -> Step:
    ends = [(name, home or places.get(name)) for name, home in _ends(step.command)]
    first, second = (("name", name, *(("netns", home) if home else ())) for name, home in ends)
    return replace(step, do=_pair(first, second), passing=())


def made_by_nodes(steps: list[Step]) -> list[Step]:
    """A node makes its own cables to the bridges of other namespaces, while the others make theirs."""
    homes = _homes(steps)
    return [_made_by_node(step, homes) if step.phase is Phase.PAIRS else step for step in steps]


def _made_by_node(step: Step, homes: set[str | None]) -> Step:
    (own, node), (far, home) = sorted(_ends(step.command), key=lambda end: end[1] in homes)
    if node is None or home is None or node in homes or home not in homes:
        return step
    return replace(step, do=(*ENTER, node, *_pair(("name", own), ("name", far, "netns", home))))


def ports_last(steps: list[Step]) -> list[Step]:
    """A bridge comes up after its ports, which would hear what IPv6 says on all the others as each comes up."""
    return sorted(steps, key=_with_ports_last)


def _with_ports_last(step: Step) -> float:
    is_port = step.phase is Phase.UP_PORTS or (step.phase is Phase.UPLINKS and step.namespace)
    if is_port:
        return Phase.PORTS.order
    is_up = step.phase is Phase.BRIDGES and (step.do[-1] == "up" or step.command[1] == "address")
    return Phase.VLANS.order + 0.5 if is_up else step.phase.order


def set_at_once(steps: list[Step]) -> list[Step]:
    """What is to be set of an interface is set by one command: as it is made, or where the last of several stood."""
    kept: dict[int, Step] = {}
    last: dict[tuple[str | None, str], int] = {}
    for number, step in enumerate(steps):
        kept[number] = step
        if step.phase in _SETTING and step.command[:3] == _SET:
            interface = (step.namespace, _set_device(step.command))
            before = last.get(interface)
            if before is not None and kept[before].phase is Phase.PAIRS:
                kept[before] = _made_so(kept[before], kept.pop(number))
                continue
            if before is not None:
                kept[number] = _set_so(kept.pop(before), step)
            last[interface] = number
            continue
        # What is about an interface finds it set as before.
        for word in step.command:
            last.pop((step.namespace, word), None)
        if step.phase is Phase.PAIRS and step.namespace:
            last[step.namespace, _ends(step.command)[0][0]] = number
    return list(kept.values())


def _made_so(making: Step, step: Step) -> Step:
    middle = len(making.do) - len(making.command) + _middle(making.command)
    settings = [word for setting in _settings(step.command) for word in setting]
    return replace(making, do=(*making.do[:middle], *settings, *making.do[middle:]))


def _set_so(before: Step, step: Step) -> Step:
    """Up at last: an interface that is up may not be given another address."""
    settings = [*_settings(before.command), *_settings(step.command)]
    settings.sort(key=lambda setting: setting == ("up",))
    own = len(step.do) - sum(map(len, _settings(step.command)))
    return replace(step, do=(*step.do[:own], *(word for setting in settings for word in setting)))


def by_namespace(steps: list[Step]) -> list[Step]:
    """What is to be done in a namespace stands together: first in the nodes, then where the bridges are."""
    homes = _homes(steps)
    stages: list[list[Step]] = [[], [], [], [], [], []]
    for step in steps:
        stages[_stage(step, homes)].append(step)
    namespaces, settings, things, nodes, bridges, others = stages
    order = {step.do[-1]: number for number, step in enumerate(namespaces)}
    return [
        *namespaces,
        *_together(settings, Phase.NAMESPACE_SETTINGS, order),
        *things,
        *_together(nodes, Phase.NODES, order),
        *_together(bridges, Phase.HOMES, order),
        *others,
    ]


def _stage(step: Step, homes: set[str | None]) -> int:
    if step.phase in {Phase.NAMESPACES, Phase.NAMESPACE_SETTINGS}:
        return 0 if step.namespace is None else 1
    if step.namespace is None and step.phase not in _AT_BRIDGES:
        return 2 if step.phase.order <= Phase.ADDRESSES.order or step.phase is Phase.UPLINKS else 5
    return 4 if step.namespace in homes else 3


def _together(steps: list[Step], phase: Phase, order: dict[str, int]) -> Iterator[Step]:
    """The steps namespace by namespace, the host last, under all their reasons."""
    why = "\n".join(dict.fromkeys(step.why for step in steps))
    for step in sorted(steps, key=lambda step: order.get(step.namespace or "", len(order))):
        yield replace(step, phase=phase, why=why)


def side_by_side(steps: list[Step]) -> list[Step]:
    """Where there are many namespaces, the work in them is shared between two shells."""
    found: list[Step] = []
    for phase, steps_of_phase in groupby(steps, key=lambda step: step.phase):
        run = list(steps_of_phase)
        if phase is Phase.NAMESPACES:
            # The first one brings forth the folder that all of them are in.
            found += [run[0], *_shared(run[1:], lambda step: step.do[-1])]
        elif phase in {Phase.NAMESPACE_SETTINGS, Phase.NODES, Phase.HOMES}:
            found += _shared(run, lambda step: step.namespace)
        else:
            found += run
    return found


def _shared(steps: Iterable[Step], of: Callable[[Step], str | None]) -> Iterator[Step]:
    units = [list(unit) for _, unit in groupby(steps, key=of)]
    for number, unit in enumerate(units):
        share = 1 + number * _SHARES // len(units) if len(units) >= _WORTH_SHARING else 0
        yield from (replace(step, share=share) for step in unit)


PASSES = (made_in_place, made_by_nodes, ports_last, set_at_once, by_namespace, side_by_side)


def _homes(steps: Iterable[Step]) -> set[str | None]:
    """Where bridges are."""
    return {step.namespace for step in steps if step.phase in _AT_BRIDGES}


def _middle(command: Command) -> int:
    """Where the one end of a veth pair is described and the other not yet; 0 in any other command."""
    words = ("type", "veth", "peer", "name")
    return next((at for at in range(4, len(command) - 4) if command[at : at + 4] == words), 0)


def _ends(command: Command) -> list[tuple[str, str | None]]:
    """The two interfaces that `ip link add` makes of a veth pair, each with the namespace that it is made in."""
    middle = _middle(command)
    return [_end(command[3:middle]), _end(command[middle + 3 :])]


def _end(words: Command) -> tuple[str, str | None]:
    """`A`, `dev A` or `name A`, and perhaps `netns N`."""
    home = words[-1] if words[-2:-1] == ("netns",) else None
    return words[1 if words[0] in {"name", "dev"} else 0], home


def _pair(first: Command, second: Command) -> Command:
    return ("ip", "link", "add", *first, "type", "veth", "peer", *second)


def _set_device(command: Command) -> str:
    """The interface that `ip link set` is about."""
    return command[4] if command[3] == "dev" else command[3]


def _settings(command: Command) -> list[Command]:
    """What `ip link set` sets: `up`, or a word and its value."""
    words = command[5 if command[3] == "dev" else 4 :]
    return [words[at : at + 2] for at in range(0, len(words), 2)]
