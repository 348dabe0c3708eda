"""What devices are for, shown on a kernel: one thing about each that its lab in the gallery does not show alone."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from host import AnyHost, Host
from machine import lacks
from nscompile.compiler import compile_lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GALLERY = Path(__file__).parent.parent / "out"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture
def built(request: pytest.FixtureRequest, host: Host, tmp_path: Path) -> Iterator[Callable[[str], AnyHost]]:
    """Builds a lab on a kernel that has all it needs, for as long as the test goes on."""
    taken: list[AnyHost] = []

    def build(lab: str) -> AnyHost:
        home: AnyHost = request.getfixturevalue("guest") if lacks(lab) else host
        for kind, text in compile_lab("lab.nsl", lab.encode(), ("up", "down")).scripts.items():
            (tmp_path / f"{kind}.sh").write_text(text, encoding="utf-8")
        home.share(tmp_path)
        home.run("sh", str(tmp_path / "up.sh"))
        taken.append(home)
        return home

    yield build
    for home in taken:
        home.run("sh", str(tmp_path / "down.sh"))


def gallery(lab: str) -> str:
    return (GALLERY / lab / "lab.nsl").read_text(encoding="utf-8")


@contextmanager
def down(host: AnyHost, namespace: str, interface: str) -> Iterator[None]:
    host.run(*f"ip netns exec {namespace} ip link set {interface} down".split())
    yield
    host.run(*f"ip netns exec {namespace} ip link set {interface} up".split())


def test_the_same_address_in_two_vrfs_answers_from_the_right_side(built: Callable[[str], AnyHost]) -> None:
    host = built(gallery("vrf"))
    with down(host, "red2", "eth0"):
        # 10.2.0.2 is up at blue2 all the same.
        assert not host.pings("red1", "10.2.0.2")
        assert host.pings("blue1", "10.2.0.2")
    with down(host, "blue2", "eth0"):
        host.run(*"ip netns exec red2 ip route add default via 10.2.0.1".split())
        assert host.pings("red1", "10.2.0.2")
        assert not host.pings("blue1", "10.2.0.2")


def test_a_bond_carries_on_when_its_first_cable_is_cut(built: Callable[[str], AnyHost]) -> None:
    host = built(gallery("bond"))
    for cut in ("eth0", "eth1"):
        with down(host, "b", cut):
            host.run("sleep", "0.3")  # three rounds of the link monitor
            assert host.pings("a", "192.0.2.2")
        host.run("sleep", "0.3")


def test_two_vlans_hear_each_other_only_through_the_router(built: Callable[[str], AnyHost]) -> None:
    host = built(gallery("vlan"))
    assert host.pings("sales1", "10.0.20.2")
    with down(host, "r", "eth0"):
        assert host.pings("sales1", "10.0.10.2")
        assert not host.pings("sales1", "10.0.20.2")
        # The same prefix in another VLAN: nobody answers there either.
        host.run(*"ip netns exec works1 ip address add 10.0.10.9/24 dev works1-veth0".split())
        assert not host.pings("sales1", "10.0.10.9")
        assert not host.pings("works1", "10.0.10.2", "10.0.10.9")


def test_a_vxlan_with_three_peers_and_one_by_multicast_are_each_one_segment(built: Callable[[str], AnyHost]) -> None:
    host = built(
        "bridge under in under\n"
        "node h[1..3] ip 192.0.2.[1..3]/24 on under as u0\n"
        "vxlan mesh in h1 id 9 local 192.0.2.1 remote 192.0.2.2, 192.0.2.3 ip 10.9.0.1/24\n"
        "vxlan mesh in h2 id 9 local 192.0.2.2 remote 192.0.2.1, 192.0.2.3 ip 10.9.0.2/24\n"
        "vxlan mesh in h3 id 9 local 192.0.2.3 remote 192.0.2.1, 192.0.2.2 ip 10.9.0.3/24\n"
        "vxlan many in h[1..3] id 8 group 239.1.1.1 dev u0 ip 10.8.0.[1..3]/24\n"
    )
    assert all(host.pings("h1", f"10.{vxlan}.0.{peer}") for vxlan in (8, 9) for peer in (2, 3))
    assert host.pings("h3", "10.9.0.2")


def test_each_kind_of_tunnel_carries_what_it_is_for(built: Callable[[str], AnyHost]) -> None:
    host = built(
        "link h1 ip 192.0.2.1/24, 2001:db8::1/64 -- h2 ip 192.0.2.2/24, 2001:db8::2/64\n"
        "router h[1..2]\n"
        "gre key in h[1,2] local 192.0.2.[1,2] remote 192.0.2.[2,1] key 5 ip 10.6.0.[1,2]/30, 2001:db8:6::[1,2]/64\n"
        "gre six in h[1,2] local 2001:db8::[1,2] remote 2001:db8::[2,1] ip 10.6.1.[1,2]/30\n"
        "ipip four in h[1,2] local 192.0.2.[1,2] remote 192.0.2.[2,1] ip 10.6.2.[1,2]/30\n"
        "sit s in h[1,2] local 192.0.2.[1,2] remote 192.0.2.[2,1] ip 2001:db8:7::[1,2]/64\n"
    )
    targets = ("10.6.0.2", "2001:db8:6::2", "10.6.1.2", "10.6.2.2", "2001:db8:7::2")
    assert [target for target in targets if not host.pings("h1", target)] == []


def test_macvlans_and_ipvlans_reach_their_segment_but_not_their_parent(built: Callable[[str], AnyHost]) -> None:
    host = built(
        "bridge br0 in sw\n"
        "node a ip 10.9.0.1/24 on br0 as eth0\n"
        "node b ip none on br0 as eth0\n"
        "node c ip none on br0 as eth0\n"
        "macvlan m0 in b dev eth0 ip 10.9.0.2/24\n"
        "ipvlan i0 in c dev eth0 ip 10.9.0.3/24\n"
        "node d\n"
        "macvlan m0 in d host enp0s3 ip 10.0.2.77/24\n"
    )
    assert host.pings("b", "10.9.0.1")
    assert host.pings("b", "10.9.0.3")
    assert host.pings("d", "10.0.2.2")
    assert not host.pings("d", "10.0.2.15")


def test_wireguard_keys_are_made_anew_and_never_shown(built: Callable[[str], AnyHost], tmp_path: Path) -> None:
    host = built(gallery("wireguard"))
    kept = "/run/nscompile/wireguard/berlin:wg0"
    private, public = host.run("cat", f"{kept}.key", f"{kept}.pub").stdout.split()
    assert host.run("stat", "-c", "%a", f"{kept}.key").stdout == "600\n"
    assert host.run(*"ip netns exec tokyo wg show wg0 peers".split()).stdout.strip() == public
    assert host.pings("pc1", "10.2.0.2")
    down = host.run("sh", str(tmp_path / "down.sh"))
    again = host.run("sh", str(tmp_path / "up.sh"), "--verbose")
    assert host.run("cat", f"{kept}.key").stdout.strip() not in again.stderr + again.stdout + down.stderr
    assert host.run("cat", f"{kept}.key").stdout.strip() != private


def test_a_program_beside_wireguard_has_the_usual_umask(built: Callable[[str], AnyHost]) -> None:
    lab = (
        "link a ip 192.0.2.1/30 -- b ip 192.0.2.2/30\n"
        'node a run "umask; touch file"\n'
        "node b\n"
        "wireguard wg0 in [a,b] ip 10.9.0.[1,2]/24 peer [b,a]\n"
    )
    host = built(lab)
    host.run("sh", "-c", "until [ -e /run/nscompile/lab/work/file ]; do sleep 0.1; done")
    assert host.run("cat", "/run/nscompile/lab/a-1.log").stdout == "0022\n"
    assert host.run("sh", "-c", "stat -c %a /run/nscompile/lab/?:wg0.key").stdout == "600\n600\n"


def test_a_wireguard_key_may_be_a_file_of_the_host(
    built: Callable[[str], AnyHost], guest: AnyHost, tmp_path: Path
) -> None:
    lab = (
        "link a ip 192.0.2.1/30 -- b ip 192.0.2.2/30\n"
        "node a\n"
        "node b\n"
        "wireguard wg0 in a ip 10.9.0.1/24 peer b key /run/mine.key\n"
        "wireguard wg0 in b ip 10.9.0.2/24\n"
    )
    (tmp_path / "up.sh").write_text(compile_lab("lab.nsl", lab.encode(), ("up",)).scripts["up"], encoding="utf-8")
    guest.share(tmp_path)
    refused = guest.run("sh", str(tmp_path / "up.sh"), check=False)
    guest.run("sh", "-c", "wg genkey >/run/mine.key")
    host = built(lab)
    public = host.run("sh", "-c", "wg pubkey </run/mine.key").stdout
    assert refused.returncode == 3
    assert "up.sh: there is no file /run/mine.key to read\n" in refused.stderr
    assert host.run(*"ip netns exec b wg show wg0 peers".split()).stdout == public
    assert host.pings("a", "10.9.0.2")
    host.run("rm", "/run/mine.key")


def test_a_device_on_the_host_is_a_port_of_a_bridge_there(built: Callable[[str], AnyHost], host: Host) -> None:
    built("vxlan vx0 id 10 local 10.0.2.15 remote 10.0.2.2 on br0\nbridge br0 ip 10.10.0.1/24\nnode a on br0\n")
    assert "vx0" in host.run(*"ip -br link show master br0".split()).stdout


def test_a_lent_interface_works_in_its_node_and_is_given_back_as_it_was(
    built: Callable[[str], AnyHost], host: Host, tmp_path: Path
) -> None:
    before = host.state()
    built("node a\nphys enp7s0 in a as eth0 ip 198.51.100.2/24 mtu 1400 mac 02:00:00:00:00:07\n")
    assert host.pings("a", "198.51.100.1")
    host.run("sh", str(tmp_path / "down.sh"))
    assert host.state() == before


def test_a_lent_interface_is_lost_with_a_namespace_that_somebody_deletes_and_down_says_so_once(
    built: Callable[[str], AnyHost], host: Host, tmp_path: Path
) -> None:
    """A veth pair ends with its namespace; a real interface would go to the machine's first one."""
    host.run(*"ip netns add theirs".split())
    host.run(*"ip link add spare type veth peer name far netns theirs".split())
    built("node a\nphys spare in a ip 198.51.100.2/24\n")
    host.run(*"ip netns del a".split())
    down = host.run("sh", str(tmp_path / "down.sh"))
    host.run(*"ip netns del theirs".split())
    assert down.stderr == "down.sh: the lab lab is gone\n"


@pytest.mark.parametrize(("taken", "returned"), [("", "eth0"), ("ip link add eth0 type bridge", "dev7")])
def test_a_lent_interface_that_the_kernel_gives_back_with_its_namespace_is_known_again(
    built: Callable[[str], AnyHost], host: Host, tmp_path: Path, taken: str, returned: str
) -> None:
    """The kernel does so for a real interface, and in the machine's first namespace alone: here a command stands in."""
    before = host.state()
    built("node a\nphys enp7s0 in a as eth0 ip 198.51.100.2/24 mtu 1400\n")
    host.run("sh", "-ec", taken)
    back = f"ip netns exec a ip link set dev eth0 down; ip netns exec a ip link set dev eth0 name {returned} netns $$"
    host.run("sh", "-ec", f"{back}; ip netns del a")
    host.run("sh", str(tmp_path / "down.sh"))
    if taken:
        host.run(*"ip link del eth0".split())
    assert host.state() == before


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        ("ip address add 198.51.100.9/24 dev enp7s0", "198.51.100.9/24"),
        ("ip link add upper link enp7s0 type macvlan", "upper@enp7s0"),
        ("ip link add br7 type bridge; ip link set enp7s0 master br7", "master br7"),
    ],
)
def test_an_interface_that_the_host_uses_is_not_lent(host: Host, tmp_path: Path, use: str, reason: str) -> None:
    (tmp_path / "up.sh").write_text(compile_lab("l.nsl", b"node a\nphys enp7s0 in a\n", ("up",)).scripts["up"])
    host.run("sh", "-ec", use)
    before = host.state()
    refused = host.run("sh", str(tmp_path / "up.sh"), check=False)
    after = host.state()
    for undo in ("ip address flush dev enp7s0 scope global", "ip link del upper", "ip link del br7"):
        host.run("sh", "-c", undo, check=False)
    assert refused.returncode == 3
    assert refused.stderr.startswith("up.sh: this host uses enp7s0, so it cannot be lent: ")
    assert reason in refused.stderr
    assert after == before
