"""What a host does to a lab, and a lab must not do to a host: firewalls, other people's things, a missing Python."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from host import Host
from nscompile.cli import KINDS
from nscompile.compiler import compile_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

GALLERY = Path(__file__).parent.parent / "out"
UP, DOWN = (str(GALLERY / "article" / f"{kind}.sh") for kind in KINDS)

# FORWARD as Docker leaves it, with and without its chain for rules of the user's.
DROP = "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP"
DOCKER = f"{DROP}; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -I FORWARD -j DOCKER-USER"


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


def compiled(lab: str, folder: Path, *, firewall: str) -> tuple[str, str]:
    """The paths of a gallery lab's up.sh and down.sh, compiled for a firewall."""
    source = (GALLERY / lab / "lab.nsl").read_bytes()
    for kind, text in compile_lab("lab.nsl", source, KINDS, firewall).scripts.items():
        (folder / f"{kind}.sh").write_text(text, encoding="utf-8")
    return str(folder / "up.sh"), str(folder / "down.sh")


def rules(host: Host) -> str:
    """All rules and policies, without the empty tables that merely asking may bring forth."""
    saved = host.run("sh", "-c", "iptables-save; ip6tables-save; iptables-legacy-save").stdout
    told = [line for line in saved.splitlines() if re.match(r"-|:\w+ DROP|:[\w-]+ -", line)]
    return "\n".join(re.sub(r" \[\d+:\d+\]$", "", line) for line in told)


@pytest.mark.parametrize("setup", [DROP, DOCKER], ids=["drop", "docker"])
@pytest.mark.parametrize("lab", ["article", "docker0", "dual-stack", "two-bridges"])
def test_a_lab_gets_out_of_a_host_that_drops_what_it_should_forward(host: Host, lab: str, setup: str) -> None:
    host.run("sh", "-c", setup)
    before, saved = host.state(), rules(host)
    host.run("sh", str(GALLERY / lab / "up.sh"))
    node = {"article": "ns1", "docker0": "ubuntu01", "dual-stack": "a", "two-bridges": "a1"}[lab]
    out = host.pings(node, "8.8.8.8")
    over_ipv6 = lab != "dual-stack" or host.pings(node, "2001:db8:8::8")
    # Bridged on the host, and so handed to the filter by br_netfilter.
    to_a_neighbour = lab != "docker0" or host.pings(node, "172.17.0.3")
    host.run("sh", str(GALLERY / lab / "down.sh"))
    assert (out, over_ipv6, to_a_neighbour) == (True, True, True)
    assert rules(host) == saved
    assert host.state() == before


@contextmanager
def without_iptables(host: Host) -> Iterator[None]:
    """No iptables of any backend on the host: what stands in their place cannot be run."""
    backends = ("/usr/sbin/xtables-nft-multi", "/usr/sbin/xtables-legacy-multi")
    for backend in backends:
        host.run("mount", "-n", "--bind", "/dev/null", backend)
    assert host.run("iptables", "-S", check=False).returncode != 0
    yield
    for backend in backends:
        host.run("umount", "-n", backend)


@pytest.mark.parametrize("lab", ["article", "docker0", "dual-stack"])
@pytest.mark.parametrize("setup", ["true", DROP], ids=["accept", "drop"])
def test_nft_alone_does_the_same(host: Host, tmp_path: Path, lab: str, setup: str) -> None:
    host.run("sh", "-c", setup)
    before, saved = host.state(), rules(host)
    up, down = compiled(lab, tmp_path, firewall="nft")
    node = {"article": "ns1", "docker0": "ubuntu01", "dual-stack": "b"}[lab]
    with without_iptables(host):
        host.run("sh", up)
        out = host.pings(node, "8.8.8.8")
        over_ipv6 = lab != "dual-stack" or host.pings(node, "2001:db8:8::8")
        ruleset = host.run("nft", "list", "ruleset").stdout
        host.run("sh", down)
        left = host.run("nft", "list", "ruleset").stdout
    assert (out, over_ipv6) == (True, True)
    assert f"table ip nscompile-{lab} {{" in ruleset
    assert "nscompile" not in left
    assert rules(host) == saved
    assert host.state() == before


@pytest.mark.parametrize("backend", ["iptables-nft", "iptables-legacy"])
def test_nft_works_beside_the_rules_of_either_iptables(host: Host, tmp_path: Path, backend: str) -> None:
    host.run(backend, "-t", "nat", "-A", "POSTROUTING", "-s", "198.51.100.0/24", "-j", "MASQUERADE")
    host.run(backend, "-A", "FORWARD", "-s", "198.51.100.0/24", "-j", "DROP")
    before, saved = host.state(), rules(host)
    up, down = compiled("article", tmp_path, firewall="nft")
    host.run("sh", up)
    out = host.pings("ns1", "8.8.8.8")
    host.run("sh", down)
    assert out
    assert rules(host) == saved
    assert host.state() == before


def test_a_namespace_that_somebody_made_since_is_left_alone_with_what_runs_in_it(host: Host) -> None:
    """Even where the kernel gives it the number of the one that was the lab's."""
    host.run("sh", UP)
    made = re.findall(r"(?m)^(\d+)\.\d+ ns1$", host.run("cat", "/run/nscompile/article/namespaces").stdout)
    time.sleep(1.1)  # a mark tells seconds apart
    host.run("ip", "netns", "del", "ns1")
    with ExitStack() as stack:
        for number in range(40):
            name = "ns1" if number == 0 else f"theirs{number}"
            host.run("ip", "netns", "add", name)
            if host.run("stat", "-L", "-c", "%i", f"/run/netns/{name}").stdout.split() == made:
                break
            time.sleep(0.02)
        process = stack.enter_context(subprocess.Popen(host.enter("ip", "netns", "exec", name, "sleep", "60")))
        namespaces = host.run("ls", "/run/netns").stdout.split()
        time.sleep(0.2)
        down = host.run("sh", DOWN)
        left, alive = host.run("ls", "/run/netns").stdout.split(), process.poll() is None
        process.kill()
    assert down.stderr == "down.sh: the lab article is gone\n"
    assert left == [name for name in namespaces if name == "ns1" or name.startswith("theirs")]
    assert "ns1" in left
    assert alive


@pytest.mark.parametrize("stubborn", [False, True], ids=["polite", "stubborn"])
def test_processes_in_the_lab_are_ended_and_no_others(host: Host, *, stubborn: bool) -> None:
    before = host.state()
    host.run("sh", UP)
    script = ("trap '' TERM; " if stubborn else "") + "echo ready; while :; do sleep 0.1; done"
    inside = host.enter("ip", "netns", "exec", "ns1", "sh", "-c", script)
    outside = host.enter("sh", "-c", "echo ready; exec sleep 60")
    with (
        subprocess.Popen(inside, stdout=subprocess.PIPE) as process,
        subprocess.Popen(outside, stdout=subprocess.PIPE) as bystander,
    ):
        assert process.stdout
        assert bystander.stdout
        assert process.stdout.readline() == bystander.stdout.readline() == b"ready\n"
        host.run("sh", DOWN)
        ended, untouched = process.poll(), bystander.poll()
        bystander.kill()
    assert ended == (-9 if stubborn else -15)
    assert untouched is None
    assert host.state() == before


def test_of_two_up_at_once_one_wins_and_the_other_refuses(host: Host) -> None:
    before = host.state()
    for _ in range(5):
        both = [subprocess.Popen(host.enter("sh", UP), stderr=subprocess.PIPE, text=True) for _ in range(2)]
        said = [process.communicate()[1] for process in both]
        statuses = sorted(process.returncode for process in both)
        reached = host.pings("ns1", "192.0.2.3")
        host.run("sh", DOWN)
        assert statuses == [0, 3], said
        assert reached
        assert host.state() == before


@pytest.mark.parametrize(
    ("trouble", "complaint"),
    [
        ("mount -n --bind /dev/null $(readlink -f /usr/sbin/ip)", "the ip on this host is not that of iproute2"),
        ("ip link set enp0s3 name eth7", "this host has no interface enp0s3"),
        ("ip address add 192.0.2.9/28 dev enp0s3", "the lab's prefix 192.0.2.0/24 overlaps what this host has: enp0s3"),
        (
            "ip address add 192.0.9.9/16 dev enp0s3",
            "the lab's prefix 192.0.2.0/24 overlaps what this host has: 192.0.0.0/16",
        ),
        (
            "ip route add 192.0.2.128/25 via 10.0.2.2",
            "the lab's prefix 192.0.2.0/24 overlaps what this host has: 192.0.2.128/25",
        ),
        ("iptables -I FORWARD -i rt-veth -j ACCEPT", "already on this host: rule that lets rt-veth pass"),
        ("mkdir -p /run/nscompile/article", "the lab is up, or half up: sh down.sh removes it"),
    ],
)
def test_up_refuses_with_its_reason_and_changes_nothing(host: Host, trouble: str, complaint: str) -> None:
    host.run("sh", "-c", trouble)
    working = trouble.startswith("mount")
    before = [] if working else host.state()
    refused = host.run("sh", UP, check=False)
    after = [] if working else host.state()
    assert refused.returncode == 3
    assert f"up.sh: {complaint}" in refused.stderr
    assert after == before


def test_a_busybox_ip_and_a_missing_tool_are_both_named(host: Host, tmp_path: Path) -> None:
    """Everything but iptables and unshare is there, and `ip` is that of busybox."""
    for tool in "busybox sh cat id stat ls grep sysctl mkdir ln readlink rm rmdir".split():
        shutil.copy(shutil.which(tool) or tool, tmp_path / tool)
    (tmp_path / "ip").symlink_to("busybox")
    empty = "mount -t tmpfs none /usr/sbin; mount -t tmpfs none /sbin"
    script = f"{empty}; PATH={tmp_path} exec sh {UP}"
    refused = host.run("unshare", "--mount", "sh", "-c", script, check=False)
    assert refused.returncode == 3
    assert refused.stderr.splitlines()[:3] == [
        "up.sh: iptables is not installed",
        "up.sh: unshare is not installed",
        "up.sh: the ip on this host is not that of iproute2",
    ]


def libraries(program: Path) -> list[Path]:
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", listed)]


@pytest.mark.parametrize(
    ("lab", "proof", "shown"),
    [
        ("article", "ip netns exec ns1 ping -c 1 -W 1 8.8.8.8", "1 packets received"),
        ("services", "ip netns exec client ping -c 1 -W 1 web; cat /run/nscompile/services/web-1.log", "PING web (10."),
    ],
)
def test_a_host_with_busybox_iproute2_and_iptables_alone_is_enough(
    host: Host, tmp_path: Path, lab: str, proof: str, shown: str
) -> None:
    """No Python, no bash, no coreutils: a root folder that holds three packages and their libraries."""
    root = tmp_path / "root"
    for folder in ("bin", "sbin", "usr/sbin", "proc", "sys", "run", "dev", "etc", "lab"):
        (root / folder).mkdir(parents=True)
    programs = {name: Path(shutil.which(name) or name).resolve() for name in ("busybox", "ip", "iptables", "ip6tables")}
    plugins = next(folder for folder in Path("/usr/lib").rglob("xtables") if folder.is_dir())
    needed = {file for program in programs.values() for file in libraries(program)}
    needed |= {file for plugin in plugins.glob("*.so") for file in [plugin, *libraries(plugin)]}
    for file in needed:
        (root / str(file.parent).lstrip("/")).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / str(file).lstrip("/"))
    for name, program in programs.items():
        shutil.copy(program, root / "usr/sbin" / name)
    applets = subprocess.run([programs["busybox"], "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in set(applets) - {"ip", "busybox"}:
        (root / "bin" / applet).symlink_to("/usr/sbin/busybox")
    for kind in KINDS:
        shutil.copy(GALLERY / lab / f"{kind}.sh", root / "lab")
    (root / "etc" / "hosts").touch()
    before = host.state()
    enter = f"""
        mount -n --bind {root} {root}
        cd {root}
        mount -n -t proc proc proc
        mount -n --rbind /sys sys
        mount -n --rbind /run run
        touch dev/null
        mount -n --bind /dev/null dev/null
        export PATH=/usr/sbin:/bin
        chroot . /bin/sh /lab/up.sh
        chroot . /bin/sh -c '{proof}'
        chroot . /bin/sh /lab/down.sh
    """
    done = host.run("unshare", "--mount", "sh", "-ec", enter, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == f"up.sh: the lab {lab} is up; sh down.sh removes it\ndown.sh: the lab {lab} is gone\n"
    assert shown in done.stdout
    assert host.state() == before
    assert not list(root.rglob("*python*"))


def test_of_two_labs_that_want_the_same_names_one_wins_whole(host: Host, tmp_path: Path) -> None:
    before = host.state()
    scripts = []
    for name in ("art", "brt"):
        lab = (GALLERY / "article" / "lab.nsl").read_text(encoding="utf-8").replace("lab article", f"lab {name}")
        for kind, text in compile_lab("lab.nsl", lab.encode(), KINDS).scripts.items():
            (tmp_path / f"{name}-{kind}.sh").write_text(text, encoding="utf-8")
        scripts.append(str(tmp_path / f"{name}-up.sh"))
    both = [subprocess.Popen(host.enter("sh", script), stderr=subprocess.PIPE, text=True) for script in scripts]
    said = [process.communicate()[1] for process in both]
    reached = host.pings("ns1", "8.8.8.8")
    for name in ("art", "brt"):
        host.run("sh", str(tmp_path / f"{name}-down.sh"))
    assert sorted(process.returncode for process in both) == [0, 3], said
    assert reached
    assert host.state() == before


def test_down_waits_for_an_up_that_is_at_work(host: Host, tmp_path: Path) -> None:
    (tmp_path / "ip").write_text(
        '#!/bin/sh\nPATH=${PATH#*:}\ncase "$*" in "netns add bridge") sleep 1 ;; esac\nexec ip "$@"\n'
    )
    (tmp_path / "ip").chmod(0o755)
    before = host.state()
    slow = host.enter("env", f"PATH={tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin", "sh", UP)
    with subprocess.Popen(slow, stderr=subprocess.DEVNULL) as up:
        time.sleep(0.5)
        down = host.run("sh", DOWN)
    assert up.returncode == 0
    waiting, gone = down.stderr.splitlines()
    assert re.fullmatch(r"down.sh: waiting for the script of another lab, process \d+", waiting)
    assert gone == "down.sh: the lab article is gone"
    assert host.state() == before


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh", "mksh", "yash"])
def test_a_reader_who_has_seen_enough_stops_nothing_halfway(host: Host, shell: str) -> None:
    before = host.state()
    host.run("sh", "-c", f"{shell} {UP} -v 2>&1 | head -n 5")
    deadline = time.monotonic() + 20
    while "ns1" in host.run("ip", "netns").stdout and time.monotonic() < deadline:
        if host.run("ls", "/run/nscompile").stdout.split() == ["article"]:
            break
        time.sleep(0.1)
    reached = host.pings("ns1", "8.8.8.8")
    host.run("sh", "-c", f"{shell} {DOWN} -v 2>&1 | head -n 1")
    while host.state() != before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert reached
    assert host.state() == before


def test_down_of_an_edited_lab_refuses_what_it_did_not_build(host: Host, tmp_path: Path) -> None:
    before = host.state()
    host.run("sh", UP)
    edited = "lab article\nbridge br0 in bridge\nnode ns[1..2] ip 192.0.2.[1..2]/24 on br0\n"
    (tmp_path / "down.sh").write_text(compile_lab("lab.nsl", edited.encode(), ("down",)).scripts["down"])
    built = host.state()
    refused = host.run("sh", str(tmp_path / "down.sh"), check=False)
    untouched = host.state() == built
    host.run("sh", DOWN)
    assert refused.returncode == 3
    assert "was built by another up.sh" in refused.stderr
    assert untouched
    assert host.state() == before


def test_down_leaves_an_interface_that_somebody_made_since(host: Host) -> None:
    host.run("sh", UP)
    host.run("ip", "link", "add", "ns1-veth0", "type", "veth", "peer", "name", "zz")
    host.run("sh", DOWN, check=False)
    left = host.run("ip", "-br", "link").stdout
    assert "ns1-veth0" in left


def test_a_host_with_a_last_rule_that_rejects_lets_the_lab_out_too(host: Host) -> None:
    host.run("iptables", "-A", "FORWARD", "-j", "REJECT")
    before, saved = host.state(), rules(host)
    host.run("sh", UP)
    out = host.pings("ns1", "8.8.8.8")
    host.run("sh", DOWN)
    assert out
    assert rules(host) == saved
    assert host.state() == before


def test_two_labs_with_uplinks_live_side_by_side(host: Host, tmp_path: Path) -> None:
    before = host.state()
    lab = (
        "lab second\nbridge sw in other\nnode z ip 198.51.100.1/24 on sw\nuplink sw ip 198.51.100.254/24 nat as out2\n"
    )
    for kind, text in compile_lab("lab.nsl", lab.encode(), KINDS).scripts.items():
        (tmp_path / f"{kind}.sh").write_text(text, encoding="utf-8")
    host.run("sh", UP)
    host.run("sh", str(tmp_path / "up.sh"))
    reached = host.pings("z", "8.8.8.8"), host.pings("ns1", "8.8.8.8"), host.pings("z", "192.0.2.1")
    host.run("sh", DOWN)
    still = host.pings("z", "8.8.8.8")
    host.run("sh", str(tmp_path / "down.sh"))
    assert reached == (True, True, True)
    assert still
    assert host.state() == before


def test_a_host_that_lives_on_router_advertisements_is_not_cut_off(host: Host) -> None:
    host.run("ip", "-6", "route", "replace", "default", "via", "fe80::2", "dev", "enp0s3", "proto", "ra")
    script = str(GALLERY / "dual-stack" / "up.sh")
    before = host.state()
    refused = host.run("sh", script, check=False)
    after = host.state()
    host.run("sysctl", "net.ipv6.conf.enp0s3.accept_ra=2")
    host.run("sh", script)
    host.run("sh", script.replace("up.sh", "down.sh"))
    kept = host.run("ip", "-6", "route", "show", "default").stdout
    assert refused.returncode == 3
    assert "IPv6 default route: sysctl net.ipv6.conf.enp0s3.accept_ra=2" in refused.stderr
    assert after == before
    assert "proto ra" in kept


def test_what_a_killed_script_leaves_first_of_all_stops_nobody(host: Host) -> None:
    """The lab's folder without anything in it, and the turn of a process that is no more."""
    before = host.state()
    host.run("sh", "-c", "mkdir -p /run/nscompile/article; ln -s 4194305 /run/nscompile/-turn")
    host.run("sh", DOWN)
    after = host.state()
    host.run("sh", "-c", "mkdir -p /run/nscompile; ln -s 4194305 /run/nscompile/-turn")
    host.run("sh", DOWN)
    assert host.state() == before
    host.run("sh", "-c", "mkdir -p /run/nscompile; ln -s 4194305 /run/nscompile/-turn")
    host.run("sh", UP)
    host.run("sh", DOWN)
    assert after == before
    assert host.state() == before
