"""Model to plan: each kind of thing in a lab to the commands that a person would type for it.

`lower` is a single dispatch, one file a family of things. It yields steps in any order: the phase of a step says when
it runs, and within a phase the order of the source holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.lower.dispatch import lower
from nscompile.lower.firewall import firewall_steps
from nscompile.lower.overview import drawing, table
from nscompile.lower.policy import policy_steps
from nscompile.lower.publish import host_addresses, host_ports, publish_steps
from nscompile.plan import Firewall, Plan, Step

# Imported for the implementations that they register.
from nscompile.lower import devices, namespaces, routing  # noqa: F401  # isort: skip

if TYPE_CHECKING:
    from nscompile.model import IPNetwork, Topology


def plan(topology: Topology, firewall: Firewall = Firewall.IPTABLES) -> Plan:
    rules = (*firewall_steps(topology, firewall), *publish_steps(topology, firewall), *policy_steps(topology, firewall))
    steps = sorted([*_steps(topology), *rules], key=lambda step: step.phase.order)
    return Plan(
        lab=topology.name,
        source=topology.source,
        drawing=drawing(topology),
        table=table(topology),
        steps=tuple(steps),
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
        *topology.forwards,
    )
    return [step for thing in things for step in lower(thing)]


def _host_prefixes(topology: Topology) -> tuple[IPNetwork, ...]:
    on_host = [found for namespace, _, _, found in topology.addressed() if namespace is None]
    return tuple(dict.fromkeys(address.network for found in on_host for address in found))


def _outside(topology: Topology) -> tuple[str, ...]:
    """The interfaces that the host must have already: those that NAT names and the lab does not make."""
    named = [each.out for each in topology.masquerades if each.namespace is None and each.out is not None]
    own = {bridge.name for bridge in topology.bridges} | {uplink.interface.name for uplink in topology.uplinks}
    return tuple(dict.fromkeys(name for name in named if name not in own))
