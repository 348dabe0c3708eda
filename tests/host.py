"""A throwaway host for tests: a network and mount namespace with a /run and an /etc of its own, an `enp0s3`, and
behind it an "internet" that answers 8.8.8.8 and 2001:db8:8::8 and has no route to any lab's prefix. Nothing leads out
of it.

A host lives as long as this process holds its standard input, so that none outlives a test run however it ends.
"""

from __future__ import annotations

import re
import subprocess
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_HOST = """
mount -t tmpfs tmpfs /run
cp -a /etc/. /run
mount -n --move /run /etc
mount -t tmpfs tmpfs /run
ip link set lo up
echo ready
exec cat
"""

_INTERNET = """
ip link set lo up
ip address add 8.8.8.8/32 dev lo
ip address add 2001:db8:8::8/128 dev lo nodad
echo ready
exec cat
"""

# Besides the way out, what a host in use has: a spare interface, rules of its own, settings that are not the default.
_OUTSIDE = """
ip link add enp0s3 type veth peer name eth0 netns {internet}
ip link set enp0s3 addrgenmode none
ip address add 10.0.2.15/24 dev enp0s3
ip address add 2001:db8:2::15/64 dev enp0s3 nodad
ip link set enp0s3 up
nsenter --target {internet} --net ip address add 10.0.2.2/24 dev eth0
nsenter --target {internet} --net ip address add 2001:db8:2::2/64 dev eth0 nodad
nsenter --target {internet} --net ip link set eth0 up
ip link add enp7s0 mtu 1450 type veth peer name eth1 netns {internet}
ip link set enp7s0 addrgenmode none
ip link set enp7s0 up
nsenter --target {internet} --net ip address add 198.51.100.1/24 dev eth1
nsenter --target {internet} --net ip link set eth1 up
ip route add default via 10.0.2.2
ip -6 route add default via 2001:db8:2::2
for try in 1 2 3 4 5; do if ping -c 1 -W 1 2001:db8:8::8 >/dev/null; then break; fi; done
iptables -A FORWARD -s 203.0.113.0/24 -j REJECT
iptables -t nat -A POSTROUTING -s 203.0.113.0/24 -o enp0s3 -j MASQUERADE
sysctl -q net.ipv4.conf.enp7s0.proxy_arp=1 net.ipv6.conf.enp7s0.accept_ra=0 net.ipv4.neigh.enp7s0.locktime=77
sysctl -q net.ipv4.conf.enp0s3.forwarding=1 net.ipv6.conf.enp0s3.forwarding=1 net.ipv4.conf.all.accept_redirects=0
"""

# Everything that a lab could leave behind. An interface notices its carrier some time after it came up, and what the
# kernel adds then would be missed.
_STATE = r"""
for try in 1 2 3 4 5 6 7 8 9; do
    case $(ip link show enp7s0 2>/dev/null) in *NO-CARRIER*) sleep 0.1 ;; *) break ;; esac
done
plain='s/^[0-9]+: //; s/@if[0-9]+//; s/ link-netnsid [0-9]+//'
echo '## links';      ip -d link show | sed -E "$plain"
echo '## addresses';  ip address show | sed -E "$plain"
echo '## routes';     ip route show table all; ip -6 route show table all
echo '## rules';      ip rule show; ip -6 rule show
echo '## iptables';   iptables-save | sed 's/ \[[0-9:]*\]$//'
echo '## ip6tables';  ip6tables-save | sed 's/ \[[0-9:]*\]$//'
echo '## namespaces'; ip netns list
echo '## sysctls';    grep -rs . /proc/sys/net
echo '## run';        find /run -printf '%p %y %m\n' | sort; grep ' /run' /proc/self/mountinfo | cut -d' ' -f4-
echo '## /etc/netns'; find /etc/netns -printf '%p %y %m %l\n' 2>/dev/null | sort
"""

# What the kernel counts or draws by itself; empty tables and their policies, which looking at a rule may bring forth.
_VOLATILE = re.compile(
    r"^(#(?!#).*|\*\w+|COMMIT|:\w+ ACCEPT|.*/(nf_conntrack_count|tcp_fastopen_key|stable_secret)[: ].*)$"
)


class AnyHost(ABC):
    """What the tests do with a throwaway host, be it on this kernel or in the machine of tests/machine.py."""

    @abstractmethod
    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command inside; the result is that of subprocess.run with text."""

    @abstractmethod
    def share(self, folder: Path) -> None:
        """Has commands inside find the files of a folder under the same names as here."""

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = self.call(*command)
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def state(self) -> list[str]:
        """Links, addresses, routes, rules, filters, namespaces, sysctls and /run, a line each."""
        lines = self.run("sh", "-c", _STATE).stdout.splitlines()
        return [line for line in lines if not _VOLATILE.match(line)]

    def pings(self, namespace: str, target: str, source: str | None = None) -> bool:
        """Whether an echo comes back within a second."""
        options = ["-I", source] if source else []
        command = ["ip", "netns", "exec", namespace, "ping", "-c", "1", "-W", "1", *options, target]
        return self.run(*command, check=False).returncode == 0

    def connects(self, namespace: str, target: str, port: str) -> bool:
        """Whether a TCP connection is taken within two seconds: whoever listens may have been started just now."""
        attempt = f"until : <>/dev/tcp/{target}/{port}; do sleep 0.1; done"
        command = ["ip", "netns", "exec", namespace, "timeout", "2", "bash", "-c", attempt]
        return self.run(*command, check=False).returncode == 0


class Host(AnyHost):
    """Context manager; a throwaway host on this kernel."""

    def __enter__(self) -> Self:
        self._internet = _hold("unshare", "--net", script=_INTERNET)
        self._process = _hold("unshare", "--net", "--mount", "--propagation", "private", script=_HOST)
        self.run("sh", "-ec", _OUTSIDE.format(internet=self._internet.pid))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self._process, self._internet):
            assert process.stdin
            assert process.stdout
            process.stdin.close()
            process.stdout.close()
            process.wait()

    def enter(self, *command: str) -> list[str]:
        """The command line that runs a command inside."""
        return ["nsenter", "--target", str(self._process.pid), "--net", "--mount", *command]

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.enter(*command), capture_output=True, text=True, check=False, timeout=120)

    def enter_internet(self, *command: str) -> list[str]:
        """The command line that runs a command in the namespace behind `enp0s3`."""
        return ["nsenter", "--target", str(self._internet.pid), "--net", *command]

    def share(self, folder: Path) -> None:
        """Only the networks are apart here, not the files."""


def _hold(*unshare: str, script: str) -> subprocess.Popen[str]:
    """Starts a shell in namespaces of its own and waits until its script has come to `cat`."""
    process = subprocess.Popen(
        [*unshare, "sh", "-ec", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process
