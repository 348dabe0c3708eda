"""Devices that reach another host: VXLAN and the IP tunnels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.lower.dispatch import lower, within
from nscompile.lower.layers import created, finished
from nscompile.model import Tunnel, Vxlan
from nscompile.plan import Need, Phase, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHY_VXLAN = "a VXLAN carries frames in UDP: one segment across whatever lies between"
_TO_ALL = ("bridge", "fdb", "append", "00:00:00:00:00:00")
_WHY_TUNNEL = "a tunnel carries packets in packets, from one address to another"


@lower.register(Vxlan)
def _vxlan(vxlan: Vxlan) -> Iterator[Step]:
    options = ["type", "vxlan", "id", str(vxlan.id), "dstport", str(vxlan.udp_port)]
    options += ["local", str(vxlan.local)] if vxlan.local else []
    options += ["remote", str(vxlan.remotes[0])] if len(vxlan.remotes) == 1 else []
    options += ["group", str(vxlan.group)] if vxlan.group else []
    options += ["dev", vxlan.underlay] if vxlan.underlay else []
    trial = ("ip", "link", "add", "name", "a", "type", "vxlan", "id", "1", "dstport", "4789")
    yield created(vxlan, _WHY_VXLAN, tuple(options), Need("VXLAN", trial))
    for remote in vxlan.remotes if len(vxlan.remotes) > 1 else ():
        command = (*_TO_ALL, "dev", vxlan.interface.name, "dst", str(remote))
        why = "what is for everybody, or for nobody known, goes to each peer"
        yield Step(Phase.MEMBERS, within(vxlan.interface.namespace, *command), why, vxlan.interface.span)
    yield from finished(vxlan)


@lower.register(Tunnel)
def _tunnel(tunnel: Tunnel) -> Iterator[Step]:
    options = ["type", tunnel.kind, "local", str(tunnel.local), "remote", str(tunnel.remote)]
    options += ["key", str(tunnel.key)] if tunnel.key is not None else []
    options += ["ttl", str(tunnel.ttl)] if tunnel.ttl is not None else []
    ends = ("2001:db8::1", "2001:db8::2") if tunnel.local.version == 6 else ("192.0.2.1", "192.0.2.2")
    trial = ("ip", "link", "add", "name", "a", "type", tunnel.kind, "local", ends[0], "remote", ends[1])
    yield created(tunnel, _WHY_TUNNEL, tuple(options), Need(f"{tunnel.kind} tunnels", trial))
    yield from finished(tunnel)
