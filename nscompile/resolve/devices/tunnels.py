"""Devices that reach another host: VXLAN and the IP tunnels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile import syntax
from nscompile.model import Segment, Tunnel, Vxlan
from nscompile.resolve import values
from nscompile.resolve.devices.settling import read

if TYPE_CHECKING:
    from nscompile.model import IPAddress
    from nscompile.resolve.devices.settling import Draft

_IDENTIFIERS = range(2**24)
_PORTS = range(1, 2**16)
_KEYS = range(2**32)
_TTLS = range(1, 256)
_VXLAN_PORT = 4789  # RFC 7348, section 4.1; the kernel's own default is older


@read.register(syntax.Vxlan)
def _vxlan(_statement: syntax.Vxlan, draft: Draft) -> Vxlan | None:
    report = draft.settling.scope.diagnostics
    number, port = draft.only(syntax.Id), draft.only(syntax.Port)
    local, dev = draft.only(syntax.Local), draft.only(syntax.Dev)
    if number is None:
        draft.lacks("has no VXLAN identifier", "add `id N`, the same at all its ends")
        return None
    identifier = values.number(number.value, "VXLAN identifier", _IDENTIFIERS, report, "NSL803")
    remotes, group = _far_ends(draft)
    source = values.ip(local.address, report) if local else None
    if dev is not None and draft.place.namespace is not None and draft.beside(dev.interface) is None:
        return None
    ends = [each for each in (source, group, *remotes) if each is not None]
    if identifier is None or (local and source is None) or not (remotes or group) or not _one_family(draft, ends):
        return None
    return Vxlan(
        draft.interface(Segment(f"vxlan {identifier}", f"VXLAN {identifier}", None)),
        draft.port(),
        identifier,
        source,
        remotes,
        group,
        dev.interface.text if dev else None,
        (values.number(port.value, "port", _PORTS, report, "NSL803") if port else None) or _VXLAN_PORT,
    )


def _far_ends(draft: Draft) -> tuple[tuple[IPAddress, ...], IPAddress | None]:
    """Where a VXLAN's frames go: to the peers, or to the group; neither, reported, where that cannot be told."""
    report = draft.settling.scope.diagnostics
    remote, group = draft.only(syntax.Remote), draft.only(syntax.Group)
    if (remote is None) is (group is None):
        what = "has both peers and a group" if remote else "does not say where its frames go"
        draft.lacks(what, "add `remote A, …` with the peers' addresses, or `group A dev IF` for multicast")
        return (), None
    if remote is not None:
        found = [values.ip(word, report) for word in remote.addresses]
        for word, each in zip(remote.addresses, found, strict=True):
            if each is not None and each.is_multicast:
                way_out = f"write `group {each} dev IF`, and one group for all peers"
                draft.report("NSL803", f"`{each}` is a multicast address, and no peer", word.span, way_out)
                return (), None
        return tuple(each for each in found if each is not None) if None not in found else (), None
    address = values.ip(group.address, report) if group else None
    if group is not None and address is not None and not address.is_multicast:
        way_out = "a group is within 224.0.0.0/4 or ff00::/8; peers are named with `remote`"
        draft.report("NSL803", f"`{address}` is no multicast address", group.address.span, way_out)
        return (), None
    if group is not None and draft.only(syntax.Dev) is None:
        draft.lacks("does not say which interface its group is on", "add `dev IF`")
        return (), None
    return (), address


def _one_family(draft: Draft, ends: list[IPAddress]) -> bool:
    if len({end.version for end in ends}) > 1:
        draft.report(
            "NSL306",
            f"`{draft.place.name}` has an end in IPv4 and one in IPv6",
            draft.statement.name.span,
            "take one of them",
        )
        return False
    return True


@read.register(syntax.Tunnel)
def _tunnel(statement: syntax.Tunnel, draft: Draft) -> Tunnel | None:
    report = draft.settling.scope.diagnostics
    local, remote = draft.only(syntax.Local), draft.only(syntax.Remote)
    if local is None or remote is None or len(remote.addresses) != 1:
        draft.lacks("has not exactly two ends", "add `local A remote B`: the node's own address, and the other end's")
        return None
    here, there = values.ip(local.address, report), values.ip(remote.addresses[0], report)
    if here is None or there is None or not _one_family(draft, [here, there]):
        return None
    kind = statement.span.text.split()[0]
    if here.version == 6:
        if not isinstance(statement, syntax.Gre):
            way_out = "use `gre`, which goes over IPv6 as well"
            draft.report("NSL803", f"{kind} goes over IPv4 alone", local.address.span, way_out)
            return None
        kind = "ip6gre"
    key, ttl = draft.only(syntax.Key), draft.only(syntax.Ttl)
    if key is not None and not isinstance(statement, syntax.Gre):
        draft.report("NSL803", f"{kind} has no key", key.span, "leave it out, or use `gre`")
    ends = " and ".join(sorted((str(here), str(there))))
    interface = draft.interface(
        Segment(f"{kind} {ends} {key.value.text if key else ''}", f"the tunnel of {ends}", None)
    )
    for address in interface.addresses if kind == "ipip" else ():
        if address.ip.version == 6:
            draft.report("NSL803", "ipip carries IPv4 alone", address.span, "use `sit` for IPv6, or `gre` for both")
    return Tunnel(
        interface,
        None,
        kind,
        here,
        there,
        values.number(key.value, "key", _KEYS, report, "NSL803") if key else None,
        values.number(ttl.value, "TTL", _TTLS, report, "NSL803") if ttl else None,
    )
