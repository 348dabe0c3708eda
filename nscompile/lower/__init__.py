"""Model to plan: each kind of thing in a lab to the commands that a person would type for it.

`lower` is a single dispatch, one file a family of things. It yields steps in any order: the phase of a step says when
it runs, and within a phase the order of the source holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.lower.dispatch import lower
from nscompile.lower.firewall import firewall_steps
from nscompile.lower.impairments import impairment_steps
from nscompile.lower.overview import drawing, table
from nscompile.lower.policy import policy_steps
from nscompile.lower.publish import host_addresses, host_ports, publish_steps
from nscompile.lower.services import service_steps
from nscompile.lower.wireguard import key_steps
from nscompile.model import Bond, Macvlan, Phys, VlanInterface, Vxlan
from nscompile.plan import Firewall, Plan, Step

# Imported for the implementations that they register.
from nscompile.lower import layers, namespaces, pairs, routing, tunnels  # noqa: F401  # isort: skip

if TYPE_CHECKING:
    from nscompile.model import Device, IPNetwork, Topology


def plan(topology: Topology, firewall: Firewall = Firewall.IPTABLES) -> Plan:
    steps = [
        *_steps(topology),
        *key_steps(topology),
        *impairment_steps(topology),
        *firewall_steps(topology, firewall),
        *publish_steps(topology, firewall),
        *policy_steps(topology, firewall),
        *service_steps(topology),
    ]
    return Plan(
        lab=topology.name,
        sources=topology.sources,
        drawing=drawing(topology),
        table=table(topology),
        steps=tuple(sorted(steps, key=lambda step: step.phase.order)),
        outside=_outside(topology),
        host_prefixes=_host_prefixes(topology),
        host_addresses=host_addresses(topology),
        host_ports=host_ports(topology),
        firewall=firewall,
    )


def _steps(topology: Topology) -> list[Step]:
    things = (
        *topology.namespaces,
        *topology.attachments,
        *topology.links,
        *topology.bridges,
        *topology.uplinks,
        *topology.devices,
        *topology.forwards,
    )
    return [step for thing in things for step in lower(thing)]


def _host_prefixes(topology: Topology) -> tuple[IPNetwork, ...]:
    on_host = [found for namespace, _, _, found in topology.addressed() if namespace is None]
    return tuple(dict.fromkeys(address.network for found in on_host for address in found))


def _outside(topology: Topology) -> tuple[str, ...]:
    """The interfaces that the host must have already: those that NAT and devices name and the lab does not make."""
    named = [each.out for each in topology.masquerades if each.namespace is None and each.out is not None]
    named += [name for device in topology.devices for name in _under(device)]
    own = {bridge.name for bridge in topology.bridges if bridge.namespace is None}
    own |= {interface.name for interface in topology.interfaces() if interface.namespace is None}
    return tuple(dict.fromkeys(name for name in named if name not in own))


def _under(device: Device) -> tuple[str, ...]:
    """The interfaces of the host that a device stands on."""
    on_host = device.interface.namespace is None
    match device:
        case Phys(lent=lent):
            return (lent,)
        case Macvlan(parent=parent, on_host=True):
            return (parent,)
        case VlanInterface(parent=parent) if on_host:
            return (parent,)
        case Bond(members=members) if on_host:
            return members
        case Vxlan(underlay=str(underlay)) if on_host:
            return (underlay,)
        case _:
            return ()
