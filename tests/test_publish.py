"""Published ports on a real kernel: asked from everywhere, with either firewall, and nothing else let in."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from host import Host
from nscompile.cli import KINDS
from nscompile.compiler import compile_lab
from talk import ask, ask_patiently, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# One bridge on the host and one behind an uplink, each with a server and a neighbour of it.
LAB = """
lab published
bridge br0 ip 10.40.0.1/24, 2001:db8:40::1/64 nat
node web on br0
node near on br0
bridge lan in switch
uplink lan ip 10.41.0.1/24, 2001:db8:41::1/64 nat via enp0s3
node dns on lan
node far on lan
publish 8080 to web:80
publish 5353/udp to dns:53
publish 10.0.2.15:8443 to dns:443
publish 127.0.0.1:9000 to dns:90
"""
SHELLS = (["dash"], ["bash"], ["busybox", "sh"], ["mksh"], ["yash"])
DROP = "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP"


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


def compiled(lab: str, folder: Path, firewall: str = "iptables") -> None:
    for kind, text in compile_lab("lab.nsl", lab.encode(), KINDS, firewall).scripts.items():
        (folder / f"{kind}.sh").write_text(text, encoding="utf-8")


@contextmanager
def built(host: Host, folder: Path) -> Iterator[None]:
    """The lab is up; afterwards it is gone without a trace."""
    before = host.state()
    host.run("sh", str(folder / "up.sh"))
    yield
    host.run("sh", str(folder / "down.sh"))
    assert host.state() == before


@contextmanager
def servers(host: Host) -> Iterator[None]:
    with ExitStack() as stack:
        for place, protocol, port in (("web", "tcp", 80), ("dns", "udp", 53), ("dns", "tcp", 443), ("dns", "tcp", 90)):
            stack.enter_context(serving(host, place, protocol, port))
        yield


# Who asks what, and as whom the server sees them.
ASKED = [
    ("(internet)", "tcp", "10.0.2.15", 8080, "10.0.2.2"),
    ("(host)", "tcp", "10.0.2.15", 8080, "10.0.2.15"),
    ("(host)", "tcp", "10.40.0.1", 8080, "10.40.0.1"),
    ("(host)", "tcp", "127.0.0.1", 8080, "10.40.0.1"),
    ("(host)", "tcp", "127.0.0.9", 8080, "10.40.0.1"),
    ("near", "tcp", "10.0.2.15", 8080, "10.40.0.1"),
    ("near", "tcp", "10.40.0.1", 8080, "10.40.0.1"),
    ("far", "tcp", "10.0.2.15", 8080, "10.41.0.3"),
    ("far", "tcp", "10.41.0.1", 8080, "10.41.0.3"),
    ("(internet)", "tcp", "2001:db8:2::15", 8080, "2001:db8:2::2"),
    ("(host)", "tcp", "2001:db8:2::15", 8080, "2001:db8:2::15"),
    ("near", "tcp", "2001:db8:40::1", 8080, "2001:db8:40::1"),
    ("far", "tcp", "2001:db8:41::1", 8080, "2001:db8:41::3"),
    # There is no way out of lo for IPv6.
    ("(host)", "tcp", "::1", 8080, None),
    ("(internet)", "udp", "10.0.2.15", 5353, "10.0.2.2"),
    ("(host)", "udp", "127.0.0.1", 5353, "10.41.0.1"),
    ("(host)", "udp", "10.0.2.15", 5353, "10.0.2.15"),
    # Behind an uplink the answer comes by another port of the bridge, even the node's own.
    ("far", "udp", "10.41.0.1", 5353, "10.41.0.1"),
    ("dns", "udp", "10.41.0.1", 5353, "10.41.0.1"),
    # `nat` on br0 hides its nodes from those beyond it.
    ("near", "udp", "10.40.0.1", 5353, "10.41.0.1"),
    # At one address, and at no other.
    ("(internet)", "tcp", "10.0.2.15", 8443, "10.0.2.2"),
    ("near", "tcp", "10.0.2.15", 8443, "10.41.0.1"),
    ("(host)", "tcp", "10.41.0.1", 8443, None),
    ("(host)", "tcp", "127.0.0.1", 8443, None),
    ("(internet)", "tcp", "2001:db8:2::15", 8443, None),
    # On the host alone.
    ("(host)", "tcp", "127.0.0.1", 9000, "10.41.0.1"),
    ("(host)", "tcp", "10.0.2.15", 9000, None),
    ("(internet)", "tcp", "10.0.2.15", 9000, None),
    # What goes to the nodes directly is as it was.
    ("near", "tcp", "10.40.0.2", 80, "10.40.0.3"),
    ("far", "udp", "10.41.0.2", 53, "10.41.0.3"),
]


@pytest.mark.parametrize("firewall", ["iptables", "nft"])
@pytest.mark.parametrize("setup", ["true", DROP], ids=["accept", "drop"])
@pytest.mark.parametrize("filtered", [1, 0], ids=["br_netfilter", "no-br_netfilter"])
def test_a_published_port_is_reached_from_everywhere_it_should_and_from_nowhere_else(
    host: Host, tmp_path: Path, firewall: str, setup: str, filtered: int
) -> None:
    host.run("sh", "-c", setup)
    for name in ("iptables", "ip6tables"):
        host.run("sysctl", f"net.bridge.bridge-nf-call-{name}={filtered}")
    compiled(LAB, tmp_path, firewall)
    # A frame of a bridge on the host leaves it by the port it came in only where the host takes it for a packet first.
    asked_by_all = [*ASKED, ("web", "tcp", "10.40.0.1", 8080, None if filtered else "10.40.0.1")]
    with built(host, tmp_path), servers(host), ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda asked: answer(host, asked), asked_by_all))
    assert [(asked, each) for asked, each in zip(asked_by_all, seen, strict=True) if asked[-1] != each] == []


def answer(host: Host, asked: tuple[str, str, str, int, str | None]) -> str | None:
    place, protocol, target, port, expected = asked
    asking = ask_patiently if expected and ":" in target else ask
    return asking(host, place, protocol, target, port)


# A node that is set on it sends to 127.0.0.1 over its wire, or as if from there.
INTRUDER = """
sysctl -q net.ipv4.conf.all.route_localnet=1
ip address del 127.0.0.1/8 dev lo
ip address add 127.0.0.2/32 dev near-veth0
ip route add 127.0.0.1 via 10.40.0.1
"""
SPOOF = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.bind(("127.0.0.2", 0))
client.sendto(b"?", ("10.40.0.1", 7000))
"""
LISTEN = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 7000))
server.settimeout(1)
print("ready", flush=True)
try:
    print(server.recvfrom(100)[1][0])
except TimeoutError:
    print("nothing")
"""


@pytest.mark.parametrize("firewall", ["iptables", "nft"])
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "unguarded"])
def test_no_node_gets_at_what_listens_on_lo_alone(host: Host, tmp_path: Path, firewall: str, *, guarded: bool) -> None:
    """And without the guard it would, so the intruder is a real one."""
    compiled(LAB, tmp_path, firewall)
    with built(host, tmp_path), serving(host, "(host)", "tcp", 2222), servers(host):
        host.run("ip", "netns", "exec", "near", "sh", "-ec", INTRUDER)
        if not guarded:
            chain = {"iptables": "iptables -t raw -F", "nft": "nft flush chain ip nscompile-published raw"}[firewall]
            host.run(*chain.split())
        reached = ask(host, "near", "tcp", "127.0.0.1", 2222)
        published = ask(host, "near", "tcp", "127.0.0.1", 8080)
        with subprocess.Popen(host.enter("python3", "-c", LISTEN), stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            assert server.stdout.readline() == "ready\n"
            host.run("ip", "netns", "exec", "near", "python3", "-c", SPOOF)
            heard = server.stdout.read().strip()
        if not guarded and firewall == "iptables":
            host.run(*"iptables -t raw -A PREROUTING -i br0 -s 127.0.0.0/8 -j DROP".split())
    assert (reached is None, heard) == (guarded, "nothing" if guarded else "127.0.0.2")
    assert published is None or not guarded


@pytest.mark.parametrize(
    ("trouble", "complaint"),
    [
        ("tcp 0.0.0.0 8080", "port 8080/tcp is in use: a program of this host listens at 0.0.0.0:8080"),
        ("tcp 127.0.0.1 8080", "port 8080/tcp is in use: a program of this host listens at 127.0.0.1:8080"),
        ("tcp :: 8080", "port 8080/tcp is in use: a program of this host listens at *:8080"),
        ("udp 127.0.0.53 5353", "port 5353/udp is in use: a program of this host listens at 127.0.0.53:5353"),
        ("tcp 2001:db8:2::15 8080", "port 8080/tcp is in use: a program of this host listens at [2001:db8:2::15]:8080"),
        ("tcp 10.0.2.15 8443", "port 8443/tcp is in use: a program of this host listens at 10.0.2.15:8443"),
        ("tcp 127.0.0.1 9000", "port 9000/tcp is in use: a program of this host listens at 127.0.0.1:9000"),
        # Neither of these would be cut off.
        ("tcp ::1 8080", None),
        ("tcp 127.0.0.1 8443", None),
        ("tcp 10.0.2.15 9000", None),
        ("udp 0.0.0.0 8080", None),
    ],
)
def test_a_port_that_a_program_listens_on_is_refused(
    host: Host, tmp_path: Path, trouble: str, complaint: str | None
) -> None:
    compiled(LAB, tmp_path)
    protocol, address, port = trouble.split()
    kind = "STREAM" if protocol == "tcp" else "DGRAM"
    family = "AF_INET6" if ":" in address else "AF_INET"
    program = f"import socket; s = socket.socket(socket.{family}, socket.SOCK_{kind}); s.bind(('{address}', {port})); "
    program += ("s.listen(); " if protocol == "tcp" else "") + "print(flush=True); input()"
    with subprocess.Popen(
        host.enter("python3", "-c", program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as listener:
        assert listener.stdout
        assert listener.stdout.readline() == b"\n"
        before = host.state()
        said = set()
        for shell in SHELLS if complaint else SHELLS[:1]:
            said.add(host.run(*shell, str(tmp_path / "up.sh"), check=False).stderr)
            host.run("sh", str(tmp_path / "down.sh"))
        after = host.state()
        listener.communicate(b"\n")
    assert said == {f"up.sh: {complaint or 'the lab published is up; sh down.sh removes it'}\n"}
    assert after == before


@pytest.mark.parametrize("firewall", ["iptables", "nft"])
def test_a_port_that_the_host_passes_on_already_is_refused(host: Host, tmp_path: Path, firewall: str) -> None:
    """By a rule of its own, or for another lab."""
    other = (
        "lab other\nbridge br7 ip 10.77.0.1/24\nnode z on br7\npublish 8080 to z:80\npublish 10.40.0.1:8443 to z:443\n"
    )
    compiled(LAB, tmp_path, firewall)
    (tmp_path / "other").mkdir()
    compiled(other, tmp_path / "other", firewall)
    host.run("ip", "address", "add", "10.40.0.1/32", "dev", "lo")
    host.run("sh", str(tmp_path / "other" / "up.sh"))
    host.run("ip", "address", "del", "10.40.0.1/32", "dev", "lo")
    before = host.run("ls", "/run/netns", "/run/nscompile").stdout
    said = {host.run(*shell, str(tmp_path / "up.sh"), check=False).stderr for shell in SHELLS}
    after = host.run("ls", "/run/netns", "/run/nscompile").stdout
    host.run("sh", str(tmp_path / "other" / "down.sh"))
    rule = {
        "iptables": "-A PREROUTING -p tcp -m tcp --dport 8080 -m addrtype --dst-type LOCAL -j DNAT "
        "--to-destination 10.77.0.2:80",
        "nft": "fib daddr type local tcp dport 8080 dnat to 10.77.0.2:80",
    }[firewall]
    assert said == {f"up.sh: port 8080/tcp is in use: this host passes it on, {rule}\n"}
    assert after == before


def test_an_address_that_the_host_does_not_have_is_refused(host: Host, tmp_path: Path) -> None:
    compiled(LAB.replace("10.0.2.15:8443", "10.0.2.99:8443"), tmp_path)
    refused = host.run("sh", str(tmp_path / "up.sh"), check=False)
    assert refused.stderr == "up.sh: this host has no address 10.0.2.99\n"
    assert refused.returncode == 3
