"""What all kinds of device have in common, and the order in which they are settled."""

from __future__ import annotations

from collections import defaultdict
from functools import singledispatch
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from nscompile import syntax
from nscompile.diagnostics import Diagnostic
from nscompile.model import Interface, Port, Segment, Vrf
from nscompile.records import dataclass, field
from nscompile.resolve import values
from nscompile.resolve.impairments import impairment
from nscompile.resolve.scope import Scope, only

if TYPE_CHECKING:
    from nscompile.model import Bridge, Device
    from nscompile.resolve.interfaces import Interfaces
    from nscompile.source import Span
    from nscompile.syntax import Word

# MAX_NEST_DEV, include/linux/netdevice.h
_MOST_STACKED = 8

_Clause = TypeVar("_Clause", bound=syntax.Syntax)


class Place(NamedTuple):
    """A namespace, None for the host, and the name of an interface in it."""

    namespace: str | None
    name: str


@singledispatch
def read(statement: syntax.Device, draft: Draft) -> Device | None:
    """What a statement declares; None, reported, where that cannot be told."""
    raise NotImplementedError(type(statement).__name__)


@dataclass(slots=True)
class Settling:
    """The devices settled so far, and every interface that they may stand on."""

    lab: str
    interfaces: Interfaces
    bridges: dict[str, Bridge]
    scope: Scope
    settled: list[Device] = field(default_factory=list)
    _known: dict[Place, Interface] = field(default_factory=dict)
    _begun: set[Place] = field(default_factory=set)
    _under_way: list[Place] = field(default_factory=list)
    # How many interfaces are below each.
    _depth: defaultdict[Place, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        for owned in self.interfaces.by_node.values():
            self._known |= {Place(each.namespace, each.name): each for each in owned}
        for uplink in self.interfaces.uplinks:
            self._known[Place(None, uplink.interface.name)] = uplink.interface

    def settle(self, statement: syntax.Device) -> None:
        draft = Draft(statement, self)
        if draft.place in self._begun or not self._is_somewhere(draft):
            return
        self._begun.add(draft.place)
        self._under_way.append(draft.place)
        device = read(statement, draft)
        self._under_way.pop()
        if device is None:
            if draft.place.namespace is not None:
                self.scope.damaged.add(draft.place.namespace)
            return
        self._known.setdefault(draft.place, device.interface)
        self.settled.append(device)
        home = device.interface.namespace
        if home is not None and isinstance(device, Vrf):
            self.interfaces.in_vrf |= {(home, member) for member in device.members}
        elif home is not None:
            self.interfaces.by_node[home].append(device.interface)

    def _is_somewhere(self, draft: Draft) -> bool:
        """Whether the device's namespace is a node's or the home of a bridge."""
        home = draft.only(syntax.In)
        homes = {bridge.namespace for bridge in self.bridges.values()}
        return home is None or home.namespace.text in homes or self.scope.node(home.namespace) is not None

    def interface(self, place: Place, asking: Word, hint: str = "") -> Interface | None:
        """An interface that a device stands on; None, reported with a hint, where there is none of that name."""
        if place in self._under_way:
            self._misplaced(f"`{place.name}` would stand on itself", asking, "name the interface that is at the bottom")
            return None
        statement = self.scope.devices.get(place)
        if statement is not None and len(self._under_way) <= _MOST_STACKED:
            self.settle(statement)
        asker = self._under_way[-1]
        self._depth[asker] = max(self._depth[asker], self._depth[place] + 1)
        if self._depth[asker] >= _MOST_STACKED or len(self._under_way) > _MOST_STACKED:
            message = f"more than {_MOST_STACKED} interfaces stand on one another"
            self._misplaced(message, asking, "Linux stacks no more: put this one on an interface further down")
            return None
        found = self._known.get(place)
        bridge = self.bridges.get(place.name)
        if bridge is not None and bridge.namespace == place.namespace:
            message = f"`{place.name}` is a bridge, and no device of a lab stands on one"
            self._misplaced(message, asking, f"plug the device in with `on {place.name}`, or name one of its ports")
        elif found is None and place.namespace is not None and not self.scope.is_damaged(place.namespace):
            here = [each.name for each in self._known if each.namespace == place.namespace]
            listed = ", ".join(f"`{name}`" for name in here)
            message = f"`{place.namespace}` has no interface `{place.name}`"
            way_out = (f"its interfaces are {listed}" if listed else "it has no interface") + hint
            self.scope.diagnostics.add(Diagnostic("NSL107", message, asking.span, help=way_out))
        return found

    def _misplaced(self, message: str, asking: Word, way_out: str) -> None:
        self.scope.diagnostics.add(Diagnostic("NSL802", message, asking.span, help=way_out))


@dataclass(frozen=True, slots=True)
class Draft:
    """A device's statement, and the look-ups that its reader needs."""

    statement: syntax.Device
    settling: Settling

    @property
    def place(self) -> Place:
        home = next((clause for clause in self.statement.clauses if isinstance(clause, syntax.In)), None)
        return Place(home.namespace.text if home else None, self.statement.called.text)

    def only(self, kind: type[_Clause]) -> _Clause | None:
        return only(kind, self.statement.clauses, self.settling.scope.diagnostics)

    def report(self, code: str, message: str, span: Span, way_out: str) -> None:
        self.settling.scope.diagnostics.add(Diagnostic(code, message, span, help=way_out))

    def lacks(self, what: str, way_out: str) -> None:
        self.report("NSL801", f"`{self.place.name}` {what}", self.statement.name.span, way_out)

    def beside(self, name: Word, hint: str = "") -> Interface | None:
        """Another interface of the same namespace."""
        return self.settling.interface(Place(self.place.namespace, name.text), name, hint)

    def is_of_host(self, name: Word) -> bool:
        """Whether an interface beside this device is one that the host has without the lab."""
        is_declared = (None, name.text) in self.settling.scope.devices or name.text in self.settling.bridges
        return self.place.namespace is None and not is_declared

    def own_segment(self) -> Segment:
        name, namespace = self.place.name, self.place.namespace
        return Segment(f"{namespace or ''}/{name}", f"`{name}`", None)

    def interface(self, segment: Segment) -> Interface:
        ip, mac, mtu = self.only(syntax.Ip), self.only(syntax.Mac), self.only(syntax.Mtu)
        report = self.settling.scope.diagnostics
        return Interface(
            name=self.place.name,
            namespace=self.place.namespace,
            segment=segment,
            addresses=values.addresses(ip.addresses, report) if ip else (),
            in_place=True,
            mac=values.mac(mac.value, report) if mac else None,
            mtu=values.mtu(mtu.value, report) if mtu else None,
            span=self.statement.called.span,
            impairment=impairment(self.statement.clauses, report),
        )

    def port(self) -> Port | None:
        """The device as a port of the bridge that it is plugged into."""
        on = self.only(syntax.On)
        if on is not None and on.bridge.text in self.settling.scope.nodes:
            self.report("NSL101", f"`{on.bridge.text}` is a node", on.bridge.span, f"write `in {on.bridge.text}`")
            return None
        if on is None or self.settling.scope.bridge(on.bridge, self.place.namespace) is None:
            return None
        bridge = self.settling.bridges[on.bridge.text]
        mtu = self.only(syntax.Mtu)
        if bridge.namespace != self.place.namespace:
            where = "on the host" if bridge.namespace is None else f"in `{bridge.namespace}`"
            message = f"`{bridge.name}` is {where}, and `{self.place.name}` is not"
            home = f"`in {bridge.namespace}`" if bridge.namespace else "without `in`"
            self.report(
                "NSL802", message, on.bridge.span, f"a bridge's ports are where it is: declare the device {home}"
            )
            return None
        size = values.mtu(mtu.value, self.settling.scope.diagnostics) if mtu else None
        return Port(self.place.name, self.place.namespace, bridge.name, None, (), size, on.bridge.span)
