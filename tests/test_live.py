"""Every lab of the gallery on a real kernel: built, held to its promises, taken down, and the host as it was.

A lab that needs something which this machine's kernel lacks is built on the second one.

A lab's promises are in live/LAB.expect, a line each: `ns1 -> 192.0.2.2` for an echo that must come back, `-x` for one
that must not, `from A` for the address it is sent from, and `tcp PORT` or `udp PORT` for a connection or an answer
instead. A line such as `web serves tcp 80` starts a server; one end may be `(host)` or `(internet)`.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from host import AnyHost, Host
from machine import lacks
from nscompile.compiler import compile_lab
from talk import ask, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TESTS = Path(__file__).parent
GALLERY = TESTS.parent / "out"
LABS = sorted(folder.name for folder in GALLERY.iterdir())
SHELLS = (("dash",), ("bash",), ("busybox", "sh"), ("mksh",), ("yash",))
CASES = sorted((TESTS / "labs").glob("*.case"))
PROMISE = re.compile(r"(\S+) -([>x]) (\S+)(?: from (\S+))?(?: (tcp|udp) (\d+))?")
SERVER = re.compile(r"(\S+) serves (tcp|udp) (\d+)")


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture
def home(request: pytest.FixtureRequest, host: Host) -> Callable[[str], AnyHost]:
    """Chooses the host to build a lab in: on the second kernel if this one lacks something that the lab needs."""

    def choose(lab: str) -> AnyHost:
        return request.getfixturevalue("guest") if lacks(lab) else host

    return choose


def up(host: AnyHost, lab: str, *shell: str) -> None:
    host.share(GALLERY / lab)
    host.run(*(shell or ("sh",)), str(GALLERY / lab / "up.sh"))


def down(host: AnyHost, lab: str, *shell: str) -> None:
    host.run(*(shell or ("sh",)), str(GALLERY / lab / "down.sh"))


def broken_promises(host: AnyHost, lab: str) -> list[str]:
    lines = (TESTS / "live" / f"{lab}.expect").read_text(encoding="utf-8").splitlines()
    promises = [line for line in lines if not line.startswith("#")]
    servers = [found.groups() for line in promises if (found := SERVER.fullmatch(line))]
    promises = [line for line in promises if not SERVER.fullmatch(line)]
    assert promises
    with ExitStack() as stack:
        for namespace, protocol, port in servers:
            assert isinstance(host, Host)
            stack.enter_context(serving(host, namespace, protocol, int(port)))
        return [promise for promise in promises if not kept(host, promise)]


def kept(host: AnyHost, promise: str) -> bool:
    found = PROMISE.fullmatch(promise)
    assert found, promise
    place, arrow, target, source, protocol, port = found.groups()
    if protocol is None:
        answered = host.pings(place, target, source)
    elif protocol == "tcp" and not place.startswith("("):
        answered = host.connects(place, target, port)
    else:
        assert isinstance(host, Host)
        answered = ask(host, place, protocol, target, int(port)) is not None
    return answered is (arrow == ">")


@pytest.mark.parametrize("shell", [("dash",), ("busybox", "sh")], ids=lambda shell: shell[0])
@pytest.mark.parametrize("lab", LABS)
def test_a_lab_keeps_its_promises_and_leaves_the_host_as_it_was(
    home: Callable[[str], AnyHost], lab: str, shell: tuple[str, ...]
) -> None:
    host = home((GALLERY / lab / "lab.nsl").read_text(encoding="utf-8"))
    before = host.state()
    up(host, lab, *shell)
    broken = broken_promises(host, lab)
    built = host.state()
    down(host, lab, *shell)
    assert broken == []
    assert built != before
    assert host.state() == before


def compile_into(folder: Path, lab: str) -> None:
    for kind, text in compile_lab("lab.nsl", lab.encode(), ("up", "down")).scripts.items():
        (folder / f"{kind}.sh").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_kernel_takes_every_command_of_a_lab_and_gives_all_of_it_back(
    home: Callable[[str], AnyHost], tmp_path: Path, case: Path
) -> None:
    lab = case.read_text(encoding="utf-8").partition("---\n")[0]
    host = home(lab)
    compile_into(tmp_path, lab)
    host.share(tmp_path)
    before = host.state()
    host.run("sh", str(tmp_path / "up.sh"))
    host.run("sh", str(tmp_path / "down.sh"))
    assert host.state() == before


def test_two_vlans_on_one_bridge_do_not_hear_each_other(home: Callable[[str], AnyHost], tmp_path: Path) -> None:
    lab = (
        "bridge br0 in switch vlan-aware\n"
        "node a[1..2] ip 10.0.10.[1..2]/24 on br0 vlan 10\n"
        "node b[1..2] ip 10.0.10.[3..4]/24 on br0 vlan 20\n"
    )
    host = home(lab)
    compile_into(tmp_path, lab)
    host.share(tmp_path)
    host.run("sh", str(tmp_path / "up.sh"))
    within = [host.pings("a1", "10.0.10.2"), host.pings("b1", "10.0.10.4")]
    across = [host.pings("a1", "10.0.10.3"), host.pings("b1", "10.0.10.2")]
    host.run(*"ip netns exec switch ip link set br0 type bridge vlan_filtering 0".split())
    unfiltered = host.pings("b2", "10.0.10.1")
    host.run("sh", str(tmp_path / "down.sh"))
    assert within == [True, True]
    assert across == [False, False]
    assert unfiltered


def test_untagged_frames_pass_by_a_trunk_that_holds_their_vlan(home: Callable[[str], AnyHost], tmp_path: Path) -> None:
    lab = (
        "bridge br0 in switch vlan-aware\n"
        "node a ip 10.0.1.1/24 on br0 trunk 1-20\n"
        "node b ip 10.0.1.2/24 on br0\n"
        "node c ip 10.0.10.1/24 on br0 trunk 2-20 vlan 10\n"
        "node d ip 10.0.10.2/24 on br0 vlan 10\n"
    )
    host = home(lab)
    compile_into(tmp_path, lab)
    host.share(tmp_path)
    host.run("sh", str(tmp_path / "up.sh"))
    reached = [host.pings("a", "10.0.1.2"), host.pings("c", "10.0.10.2"), host.pings("a", "10.0.10.2")]
    host.run("sh", str(tmp_path / "down.sh"))
    assert reached == [True, True, False]


def test_without_its_uplink_the_article_finds_the_network_unreachable(host: Host, tmp_path: Path) -> None:
    lab = (GALLERY / "article" / "lab.nsl").read_text(encoding="utf-8")
    compile_into(tmp_path, "".join(line for line in lab.splitlines(keepends=True) if not line.startswith("uplink")))
    host.run("sh", str(tmp_path / "up.sh"))
    ping = host.run("ip", "netns", "exec", "ns1", "ping", "-c", "1", "8.8.8.8", check=False)
    host.run("sh", str(tmp_path / "down.sh"))
    assert "Network is unreachable" in ping.stderr


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_every_shell_builds_a_lab_and_takes_it_down(host: Host, shell: tuple[str, ...]) -> None:
    before = host.state()
    host.run(*shell, str(GALLERY / "dual-stack" / "up.sh"))
    reached = host.pings("b", "2001:db8:8::8")
    host.run(*shell, str(GALLERY / "dual-stack" / "down.sh"))
    assert reached
    assert host.state() == before


def test_docker0_is_what_docker_builds(host: Host) -> None:
    up(host, "docker0")
    ports = json.loads(host.run("ip", "-json", "link", "show", "master", "docker0").stdout)
    bridge = json.loads(host.run("ip", "-json", "address", "show", "docker0").stdout)
    nodes = {}
    for number in (1, 2, 3):
        inside = ["ip", "netns", "exec", f"ubuntu0{number}", "ip", "-json"]
        (eth0,) = json.loads(host.run(*inside, "address", "show", "dev", "eth0").stdout)
        (default,) = json.loads(host.run(*inside, "route", "show", "default").stdout)
        nodes[number] = (eth0["addr_info"][0]["local"], eth0["addr_info"][0]["prefixlen"], default["gateway"])
    rules = host.run("iptables", "-t", "nat", "-S", "POSTROUTING").stdout
    down(host, "docker0")
    assert [(each["local"], each["prefixlen"]) for each in bridge[0]["addr_info"] if each["family"] == "inet"] == [
        ("172.17.0.1", 16)
    ]
    assert nodes == {number: (f"172.17.0.{number + 1}", 16, "172.17.0.1") for number in (1, 2, 3)}
    assert len(ports) == 3
    assert all(re.fullmatch(r"veth[0-9a-f]{7}", port["ifname"]) for port in ports)
    assert "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n" in rules


def test_a_second_up_is_refused_and_changes_nothing(host: Host) -> None:
    up(host, "article")
    built = host.state()
    again = host.run("sh", str(GALLERY / "article" / "up.sh"), check=False)
    after = host.state()
    down(host, "article")
    assert again.returncode == 3
    assert again.stderr == "up.sh: the lab is up, or half up: sh down.sh removes it\n"
    assert after == built


def test_what_is_in_the_way_is_listed_at_once_and_left_alone(host: Host) -> None:
    theirs = (
        "ip netns add ns2",
        "ip link add rt-veth type veth peer name theirs",
        "ip link add other type veth peer name tap",
        "ip address add 192.0.2.50/24 dev other",
        "iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE",
    )
    gone_again = ("ip netns del ns2", "ip link del rt-veth", "ip link del other", theirs[-1].replace("-A", "-D"))
    for command in theirs:
        host.run(*command.split())
    before = host.state()
    refused = host.run("sh", str(GALLERY / "article" / "up.sh"), check=False)
    down(host, "article")
    after = host.state()
    for command in gone_again:
        host.run(*command.split())
    assert refused.returncode == 3
    assert [" ".join(line.split()) for line in refused.stderr.splitlines()] == [
        "up.sh: the lab's prefix 192.0.2.0/24 overlaps what this host has: other@tap DOWN 192.0.2.50/24",
        "up.sh: already on this host: namespace ns2",
        "up.sh: already on this host: interface rt-veth",
        "up.sh: already on this host: rule iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE",
    ]
    assert after == before


@pytest.mark.parametrize(
    "accident",
    [
        "ip netns del ns1",
        "ip link del rt-veth",
        "ip netns exec bridge ip link del br0",
        "iptables -t nat -D POSTROUTING -s 192.0.2.0/24 -o enp0s3 -j MASQUERADE",
        "sysctl net.ipv4.ip_forward=0",
    ],
)
def test_down_removes_what_is_left_of_a_lab(host: Host, accident: str) -> None:
    before = host.state()
    up(host, "article")
    host.run(*accident.split())
    down(host, "article")
    assert host.state() == before


def test_down_twice_is_no_error(host: Host) -> None:
    up(host, "article")
    down(host, "article")
    again = host.run("sh", str(GALLERY / "article" / "down.sh"))
    assert again.stderr == "down.sh: the lab article is not up; there is nothing to do\n"


def test_two_labs_side_by_side_share_forwarding_in_every_order(host: Host, tmp_path: Path) -> None:
    compile_into(tmp_path, "lab other\nbridge br6 ip 10.77.0.1/24, 2001:db8:77::1/64 nat\nnode z on br6\n")
    folders = (GALLERY / "dual-stack", tmp_path)
    forwarding = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
    before = host.state()
    for going_up in permutations(folders):
        for going_down in permutations(folders):
            for folder in going_up:
                host.run("sh", str(folder / "up.sh"))
            host.run("sh", str(going_down[0] / "down.sh"))
            still = host.run("cat", *forwarding).stdout
            host.run("sh", str(going_down[1] / "down.sh"))
            assert still == "1\n1\n"
            assert host.state() == before


def body(script: Path) -> str:
    """What a script does once all is prepared, as it stands there."""
    text = script.read_text(encoding="utf-8")
    return text[text.index("\n# ---- 1. ") :]


@pytest.mark.parametrize("script", ["up.sh", "down.sh"])
def test_a_dry_run_needs_no_root_and_prints_what_the_script_would_do(host: Host, script: str) -> None:
    path = GALLERY / "article" / script
    before = host.state()
    dry = host.run("setpriv", "--reuid", "65534", "--clear-groups", "sh", str(path), "--dry-run")
    assert dry.stdout == body(path)
    assert dry.stderr == ""
    assert host.state() == before


def test_verbose_prints_each_command_before_it_runs(host: Host) -> None:
    path = GALLERY / "docker0" / "up.sh"
    traced = host.run("sh", str(path), "-v")
    taken_down = host.run("sh", str(path.with_name("down.sh")), "-v")
    assert traced.stdout == ""
    assert traced.stderr == body(path) + "up.sh: the lab docker0 is up; sh down.sh removes it\n"
    assert taken_down.stderr == body(path.with_name("down.sh")) + "down.sh: the lab docker0 is gone\n"
