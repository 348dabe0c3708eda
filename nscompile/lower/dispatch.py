"""The dispatch itself, and the few forms of command that every kind of thing shares."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from nscompile.plan import ENTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.plan import Command, Step

# The words that `ip link`'s own syntax knows where a device may stand: it takes them, and every beginning of them, for
# keywords. See ip-link(8).
_KEYWORDS = """
    add address addrgenmode alias allmulticast allmulti altname arp broadcast carrier change delete dev down dynamic
    gso_ipv4_max_size gso_max_segs gso_max_size group gro_ipv4_max_size gro_max_size help index link link-netns
    link-netnsid macaddr master mode mtu multicast name netns nomaster numrxqueues numtxqueues parentbus parentdev
    peer promisc property protodown protodown_reason qlen replace set show trailers trust txqlen txqueuelen type up
    vf vrf xdp xdpdrv xdpgeneric xdpoffload
""".split()
_BEGINNINGS = frozenset(word[:length] for word in _KEYWORDS for length in range(1, len(word) + 1))


@singledispatch
def lower(thing: object) -> Iterator[Step]:
    """Yield the steps for one thing of the model."""
    raise NotImplementedError(type(thing).__name__)


def within(namespace: str | None, *command: str) -> Command:
    """The command as it is typed to run in a namespace; None is the host."""
    return command if namespace is None else (*ENTER, namespace, *command)


def device(name: str) -> Command:
    """An interface where `ip link` also takes keywords: by its bare name wherever that is no keyword."""
    return ("dev", name) if name in _BEGINNINGS else (name,)
