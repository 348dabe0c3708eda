"""Devices: the interfaces that are no end of a veth pair, each kind read by a function of its own.

A device may stand on another one that is declared later, so each is settled when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.resolve.devices.settling import Settling

# Imported for the readers that they register.
from nscompile.resolve.devices import layers, tunnels, wireguard  # noqa: F401  # isort: skip

if TYPE_CHECKING:
    from nscompile.model import Bridge, Device
    from nscompile.resolve.interfaces import Interfaces
    from nscompile.resolve.scope import Scope


def devices(lab: str, interfaces: Interfaces, bridges: dict[str, Bridge], scope: Scope) -> tuple[Device, ...]:
    """All the devices, each after those that it stands on."""
    settling = Settling(lab, interfaces, bridges, scope)
    for statement in scope.devices.values():
        settling.settle(statement)
    return tuple(settling.settled)
