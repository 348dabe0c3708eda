"""The network itself, every name and address settled: what the checks judge and what is lowered to commands.

Terms are those of iproute2 and the kernel. A namespace of `None` is the host's own.
"""

from nscompile.model.basics import (
    DEFAULT_MTU,
    ETHERNET_HEADER,
    NATIVE_VLAN,
    Address,
    Given,
    Impairment,
    Interface,
    IPAddress,
    IPNetwork,
    Port,
    Quantity,
    Segment,
)
from nscompile.model.devices import (
    Bond,
    Device,
    Dummy,
    Macvlan,
    Phys,
    Tunnel,
    VlanInterface,
    Vrf,
    Vxlan,
    Wireguard,
    WireguardPeer,
)
from nscompile.model.nodes import Forwarding, Hosts, NameServers, Namespace, Program, Route, Rule, Setting
from nscompile.model.pairs import Attachment, Bridge, Link, Uplink
from nscompile.model.policy import Masquerade, Peer, Policy, Publication
from nscompile.model.topology import Topology

__all__ = [
    "DEFAULT_MTU",
    "ETHERNET_HEADER",
    "NATIVE_VLAN",
    "Address",
    "Attachment",
    "Bond",
    "Bridge",
    "Device",
    "Dummy",
    "Forwarding",
    "Given",
    "Hosts",
    "IPAddress",
    "IPNetwork",
    "Impairment",
    "Interface",
    "Link",
    "Macvlan",
    "Masquerade",
    "NameServers",
    "Namespace",
    "Peer",
    "Phys",
    "Policy",
    "Port",
    "Program",
    "Publication",
    "Quantity",
    "Route",
    "Rule",
    "Segment",
    "Setting",
    "Topology",
    "Tunnel",
    "Uplink",
    "VlanInterface",
    "Vrf",
    "Vxlan",
    "Wireguard",
    "WireguardPeer",
]
