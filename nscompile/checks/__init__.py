"""What is wrong with a network whose every name is known: `CHECKS`, pure functions from topology to diagnostics.

Each looks at one rule of the kernel or of networking, and reports whatever breaks it. None depends on another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from nscompile.checks import (
    addresses,
    claims,
    devices,
    impairments,
    layers,
    policy,
    publish,
    routes,
    services,
    wireguard,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nscompile.diagnostics import Diagnostic, Diagnostics
    from nscompile.model import Topology

Check: TypeAlias = "Callable[[Topology], Iterator[Diagnostic]]"

CHECKS: tuple[Check, ...] = (
    addresses.unicast,
    addresses.not_network_or_broadcast,
    addresses.once_on_a_segment,
    addresses.one_prefix_on_a_segment,
    addresses.no_overlap_in_a_namespace,
    devices.mac_once_on_a_segment,
    devices.interface_once_in_a_namespace,
    devices.home_is_not_a_node_without_need,
    devices.ports_within_limit,
    devices.mtu_carries_ipv6,
    devices.one_mtu_on_a_segment,
    devices.vlan_on_vlan_aware_bridge,
    devices.node_has_interface,
    devices.setting_names_an_interface,
    layers.port_has_no_address,
    layers.one_master,
    layers.vrf_has_its_own_table,
    layers.trunk_carries_vlan,
    layers.tunnel_begins_at_home,
    claims.twice_the_same,
    claims.parent_bears_both,
    claims.lent_to_one,
    wireguard.port_once,
    wireguard.prefix_behind_one_peer,
    impairments.nothing_is_missing,
    impairments.jitter_within_delay,
    impairments.limit_holds_what_is_under_way,
    routes.next_hop_is_connected,
    routes.device_is_in_the_namespace,
    routes.no_route_twice,
    routes.next_hop_forwards,
    services.names_can_be_looked_up,
    services.name_servers_are_reachable,
    publish.address_can_be_the_hosts,
    publish.port_published_once,
    publish.answers_come_back,
    policy.ends_share_a_family,
    policy.rule_decides_something,
)


def check(topology: Topology, diagnostics: Diagnostics) -> None:
    for each in CHECKS:
        for found in each(topology):
            diagnostics.add(found)
