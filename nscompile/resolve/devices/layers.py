"""Devices in one namespace: dummies, what stands on an interface (VLAN, macvlan), what holds some (bond, VRF)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.model import Bond, Dummy, Macvlan, Phys, Segment, VlanInterface, Vrf
from nscompile.resolve import values
from nscompile.resolve.devices.settling import read

if TYPE_CHECKING:
    from nscompile.model import Interface
    from nscompile.resolve.devices.settling import Draft

_MACVLAN_MODES = ("bridge", "private", "vepa", "passthru")
_IPVLAN_MODES = ("l2", "l3", "l3s")
_BOND_MODES = (
    "active-backup", "balance-rr", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb",
)  # fmt: skip
_TABLES = range(1, 2**32)
_RESERVED_TABLES = {253: "default", 254: "main", 255: "local"}  # include/uapi/linux/rtnetlink.h


@read.register(syntax.Dummy)
def _dummy(_statement: syntax.Dummy, draft: Draft) -> Dummy:
    return Dummy(draft.interface(draft.own_segment()), draft.port())


@read.register(syntax.VlanInterface)
def _vlan(statement: syntax.VlanInterface, draft: Draft) -> VlanInterface | None:
    """`eth0.10` says by its name what it is; any other name needs `dev` and `id`."""
    dev, number = draft.only(syntax.Dev), draft.only(syntax.Id)
    stem, dot, suffix = statement.name.text.rpartition(".")
    parent = dev.interface if dev else syntax.Word(stem, statement.name.span) if dot else None
    if parent is None or not (number or suffix.isdigit()):
        way_out = "call it INTERFACE.VLAN, such as `eth0.10`, or write `dev INTERFACE id VLAN`"
        draft.lacks("does not say which VLAN of which interface it is", way_out)
        return None
    report = draft.settling.scope.diagnostics
    vlan = values.vlan(number.value if number else syntax.Word(suffix, statement.name.span), report)
    under = draft.beside(parent)
    if vlan is None or (under is None and draft.place.namespace is not None):
        return None
    segment = _tagged(under.segment, vlan.value) if under else draft.own_segment()
    return VlanInterface(draft.interface(segment), draft.port(), parent.text, vlan.value)


def _tagged(segment: Segment, vlan: int) -> Segment:
    """One VLAN of what is on the wire; a bridge that is not vlan-aware passes tagged frames as well."""
    return Segment(f"{segment.key} vlan {vlan}", f"VLAN {vlan} of {segment.label}", segment.bridge, vlan)


@read.register(syntax.Macvlan)
def _macvlan(_statement: syntax.Macvlan, draft: Draft) -> Macvlan | None:
    return _on_another(draft, "macvlan", _MACVLAN_MODES)


@read.register(syntax.Ipvlan)
def _ipvlan(_statement: syntax.Ipvlan, draft: Draft) -> Macvlan | None:
    mac = draft.only(syntax.Mac)
    if mac is not None:
        draft.report(
            "NSL802", "an ipvlan has the MAC address of its parent", mac.span, "use a macvlan for one of its own"
        )
    return _on_another(draft, "ipvlan", _IPVLAN_MODES)


def _on_another(draft: Draft, kind: str, modes: tuple[str, ...]) -> Macvlan | None:
    dev, host = draft.only(syntax.Dev), draft.only(syntax.Host)
    mode = _mode(draft, kind, modes)
    if dev is not None:
        if host is not None:
            draft.report(
                "NSL801", f"`{draft.place.name}` stands on one interface", host.span, "keep `dev IF` or `host IF`"
            )
        under = draft.beside(dev.interface, f"; for one of the host write `host {dev.interface.text}`")
        if mode is None or (under is None and draft.place.namespace is not None):
            return None
        segment = under.segment if under else draft.own_segment()
        on_host = draft.place.namespace is None
        return Macvlan(draft.interface(segment), draft.port(), kind, dev.interface.text, on_host=on_host, mode=mode)
    if host is None:
        draft.lacks("stands on no interface", "add `dev IF` for one of its namespace, `host IF` for one of the host")
        return None
    parent = values.interface_name(host.interface, draft.settling.scope.diagnostics)
    if parent is None or mode is None:
        return None
    segment = Segment(f"host/{parent}", f"`{parent}` of the host", None)
    return Macvlan(draft.interface(segment), draft.port(), kind, parent, on_host=True, mode=mode)


def _mode(draft: Draft, kind: str, modes: tuple[str, ...]) -> str | None:
    """The mode that is given, or the first, which is what a person would choose."""
    mode = draft.only(syntax.Mode)
    if mode is None or mode.value.text in modes:
        return mode.value.text if mode else modes[0]
    listed = ", ".join(f"`{each}`" for each in modes)
    article = "an" if kind == "ipvlan" else "a"
    message = f"`{mode.value.text}` is no mode of {article} {kind}"
    draft.report("NSL803", message, mode.value.span, f"the modes are {listed}")
    return None


@read.register(syntax.Bond)
def _bond(_statement: syntax.Bond, draft: Draft) -> Bond | None:
    mode, members = _mode(draft, "bond", _BOND_MODES), _members(draft)
    if mode is None or not members:
        return None
    for member in members:
        for address in member.addresses:
            message = f"`{member.name}` is part of `{draft.place.name}` and cannot be spoken to at `{address.ip}`"
            draft.report(
                "NSL802", message, address.span, f"give the address to the bond, and `{member.name}` `ip none`"
            )
    return Bond(draft.interface(members[0].segment), draft.port(), tuple(each.name for each in members), mode)


@read.register(syntax.Vrf)
def _vrf(_statement: syntax.Vrf, draft: Draft) -> Vrf | None:
    table, members = draft.only(syntax.Table), _members(draft)
    if table is None:
        draft.lacks("has no routing table", "add `table N`, a number that no other VRF of the node has")
        return None
    number = values.number(table.value, "routing table", _TABLES, draft.settling.scope.diagnostics)
    if number in _RESERVED_TABLES:
        draft.report(
            "NSL803",
            f"table {number} is `{_RESERVED_TABLES[number]}`, which every node has",
            table.value.span,
            "take a number of its own, 10 or 1001, say",
        )
        return None
    if number is None or not members:
        return None
    families = tuple(sorted({address.ip.version for member in members for address in member.addresses}))
    interface = draft.interface(draft.own_segment())
    return Vrf(interface, None, tuple(each.name for each in members), number, families)


@read.register(syntax.Phys)
def _phys(statement: syntax.Phys, draft: Draft) -> Phys | None:
    draft.only(syntax.As)
    if draft.place.namespace is None:
        draft.lacks("is on the host already", "add `in NODE`, the node that it is lent to")
        return None
    segment = Segment(f"host/{statement.name.text}", f"`{statement.name.text}` of the host", None)
    return Phys(draft.interface(segment), draft.port(), statement.name.text)


def _members(draft: Draft) -> list[Interface]:
    """The interfaces after `of`; none, reported, where one cannot be a member."""
    of = draft.only(syntax.Of)
    if of is None:
        draft.lacks("holds no interface", "add `of IF, …`, the interfaces that are its members")
        return []
    found = [draft.beside(word) for word in of.members]
    for word, member in zip(of.members, found, strict=True):
        if member is None and draft.is_of_host(word):
            message = f"`{word.text}` is the host's, so `{draft.place.name}` cannot hold it"
            way_out = f"lend it to a node, `phys {word.text} in NODE`, and put `{draft.place.name}` there"
            draft.report("NSL802", message, word.span, way_out)
    return [each for each in found if each is not None] if None not in found else []
