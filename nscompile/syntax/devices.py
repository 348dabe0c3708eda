"""The statements that declare devices, and the clauses that only these have."""

from __future__ import annotations

from nscompile.records import dataclass
from nscompile.syntax.basics import Syntax, Word
from nscompile.syntax.clauses import As


@dataclass(frozen=True, slots=True)
class On(Syntax):
    bridge: Word


@dataclass(frozen=True, slots=True)
class Of(Syntax):
    members: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Id(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Host(Syntax):
    interface: Word


@dataclass(frozen=True, slots=True)
class Mode(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Local(Syntax):
    address: Word


@dataclass(frozen=True, slots=True)
class Remote(Syntax):
    addresses: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Group(Syntax):
    address: Word


@dataclass(frozen=True, slots=True)
class Port(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Key(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Ttl(Syntax):
    value: Word


@dataclass(frozen=True, slots=True)
class Endpoint(Syntax):
    address: Word


@dataclass(frozen=True, slots=True)
class Peer(Syntax):
    """`peer NODE[:IF]`; without the interface it is called as the one that has the clause."""

    node: Word
    interface: Word | None


@dataclass(frozen=True, slots=True)
class Device(Syntax):
    """`KIND NAME [in NS] …`: an interface that is no end of a veth pair."""

    name: Word
    clauses: tuple[Syntax, ...]

    @property
    def called(self) -> Word:
        """What its namespace knows it by."""
        return next((clause.name for clause in self.clauses if isinstance(clause, As)), self.name)


class Dummy(Device):
    __slots__ = ()


class VlanInterface(Device):
    __slots__ = ()


class Macvlan(Device):
    __slots__ = ()


class Ipvlan(Device):
    __slots__ = ()


class Bond(Device):
    __slots__ = ()


class Vrf(Device):
    __slots__ = ()


class Vxlan(Device):
    __slots__ = ()


class Tunnel(Device):
    """An IP tunnel of one of the kinds below."""

    __slots__ = ()


class Gre(Tunnel):
    __slots__ = ()


class Ipip(Tunnel):
    __slots__ = ()


class Sit(Tunnel):
    __slots__ = ()


class Wireguard(Device):
    __slots__ = ()


class Phys(Device):
    __slots__ = ()
