"""A built lab as the kernel has it: what two scripts for one lab must agree on.

Left out is what the kernel draws or counts by itself: MAC addresses and those made of them, numbers, timers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host import AnyHost

# What is said of one namespace, the host among them.
_LOOK = r"""
look() {
    echo "## links of $1"; ip -d link show | sed 's/^[0-9]*: //'
    echo "## addresses of $1"; ip address show | sed 's/^[0-9]*: //'
    echo "## routes of $1"; ip route show table all; ip -6 route show table all
    echo "## rules of $1"; ip rule show; ip -6 rule show
    echo "## neighbours of $1"; ip neighbour show nud permanent; bridge fdb show | grep -w static
    echo "## VLANs of $1"; bridge vlan show
    echo "## queues of $1"; tc qdisc show
    echo "## filters of $1"; iptables-save; ip6tables-save; nft list ruleset
    echo "## settings of $1"; grep -rs . /proc/sys/net || :
}
"""

# The kernel takes two seconds to find an IPv6 address to be nobody else's, and one to tell that a cable is plugged in.
_PICTURE = r"""
links() {
    ip address show
    for name in $(ls /run/netns); do ip -n "$name" address show; done
}
seen=
for try in 1 2 3 4 5 6 7 8 9 10; do
    now=$(links)
    case $now in *tentative*) ;; "$seen") break ;; esac
    seen=$now
    sleep 1.1
done
look host
for name in $(ls /run/netns); do ip netns exec "$name" sh -c "$0" "$name"; done
"""

_DRAWN = [
    (re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}|[0-9a-f]{4}\.([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}"), "MAC"),
    (re.compile(r"fe80::[0-9a-f:]+"), "fe80"),
    (re.compile(r"@[\w.-]+| link-netns(id)? \S+| \w*_timer +[\d.]+|(valid|preferred)_lft \d+\w+"), ""),
    (re.compile(r"qdisc (\w+) [0-9a-f]+:"), r"qdisc \1"),
    (re.compile(r"\[\d+:\d+\]|^#(?!#).*", re.MULTILINE), ""),
    (re.compile(r"^.*(nf_conntrack_count|tcp_fastopen_key|stable_secret)[: ].*$", re.MULTILINE), ""),
    (re.compile(r"counter packets \d+ bytes \d+| handle \d+"), ""),
    (re.compile(r"seed \d+|permaddr \S+"), ""),
]


def picture(host: AnyHost) -> list[str]:
    """Links, addresses, routes, rules, filters and settings of the host and of each namespace on it."""
    text = host.run("sh", "-c", f"{_LOOK}{_PICTURE}", f'{_LOOK}look "$0"').stdout
    for pattern, replacement in _DRAWN:
        text = pattern.sub(replacement, text)
    return sorted_sections(text)


def sorted_sections(text: str) -> list[str]:
    """Interfaces and routes come in the order they were made, which is no part of the network."""
    sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    found: list[str] = []
    for section in sections:
        title, _, body = section.partition("\n")
        entries = re.split(r"\n(?=\S)", body)
        found += [title, *sorted(" ".join(entry.split()) for entry in entries)]
    return found
