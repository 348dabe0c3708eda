"""What runs and is known in the nodes, on a kernel: programs, their output and their end; names and name servers."""

from __future__ import annotations

import random
import subprocess
import time
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from host import Host
from nscompile.cli import KINDS
from nscompile.compiler import compile_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

GALLERY = Path(__file__).parent.parent / "out"
UP, DOWN = (str(GALLERY / "services" / f"{kind}.sh") for kind in KINDS)
STATE = "/run/nscompile/services"
HOSTS = "/etc/netns/web/hosts"
SHELLS = ("dash", "bash", "busybox sh", "mksh", "yash")

# A program waits on its way to its namespace, as it may on a busy machine.
SLOW = '#!/bin/sh\nPATH=${PATH#*:}\n%s\nsleep 0.5\nexec setsid "$@"\n'

# Answers every question for an address with 192.0.2.77.
NAME_SERVER = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("192.0.2.2", 53))
while True:
    question, asker = server.recvfrom(512)
    kind = question[question.index(0, 12) + 2]
    end = question.index(0, 12) + 5
    head = question[:2] + bytes([0x81, 0x80, 0, 1, 0, kind == 1, 0, 0, 0, 0])
    answer = bytes([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 77]) if kind == 1 else b""
    server.sendto(head + question[12:end] + answer, asker)
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture
def spoilt() -> Iterator[Host]:
    """A host for one test alone, which changes it for good."""
    with Host() as host:
        yield host


def compiled(lab: str, folder: Path) -> tuple[str, str]:
    """The paths of a lab's up.sh and down.sh, in a folder of their own."""
    folder.mkdir(exist_ok=True)
    scripts = compile_lab("lab.nsl", lab.encode(), KINDS).scripts
    for kind, text in scripts.items():
        (folder / f"{kind}.sh").write_text(text, encoding="utf-8")
    return str(folder / "up.sh"), str(folder / "down.sh")


def running(what: str) -> list[str]:
    """The command lines, those with `what` in them, of processes that began or write in the folder of the lab."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may end meanwhile
            if any(str((process / link).readlink()).startswith(f"{STATE}/") for link in ("cwd", "fd/1")):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [line for line in found if what in line]


def is_alive(process: str) -> bool:
    """Not ended; one that has ended may still wait for its parent to be told so."""
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def fetch(host: Host) -> str:
    command = "busybox wget -q -O - http://web/"
    attempts = f"for _ in 1 2 3 4 5 6 7 8 9; do {command} && exit; sleep 0.2; done"
    return host.run("ip", "netns", "exec", "client", "sh", "-c", attempts).stdout


def test_a_server_is_fetched_by_name_and_what_it_says_is_kept(host: Host) -> None:
    before = host.state()
    host.run("sh", UP)
    page = fetch(host)
    log = host.run("cat", f"{STATE}/web-1.log").stdout
    mode = host.run("stat", "-c", "%a", STATE).stdout
    served = running("httpd")
    began = time.monotonic()
    host.run("sh", DOWN)
    took = time.monotonic() - began
    assert page == "hello from web\n"
    assert "response:200" in log
    assert mode == "700\n"
    assert len(served) == 2  # the shell, and busybox
    assert running("") == []
    assert took < 1.5
    assert host.state() == before


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_lets_go_of_what_it_started(host: Host, shell: str) -> None:
    """Nothing that up.sh was given stays open: not the pipes that it writes to, nor what else its caller holds."""
    before = host.state()
    began = time.monotonic()
    done = host.run("sh", "-c", f"{{ {shell} {UP} | cat; }} 3>&1 7>&2 8>&1 </dev/zero")
    took = time.monotonic() - began
    page = fetch(host)
    held = host.run("sh", "-c", "for p in $(ip netns pids web); do readlink /proc/$p/fd/*; done").stdout.split("\n")
    sessions = host.run("sh", "-c", "for p in $(ip netns pids web); do cut -d' ' -f6,7 /proc/$p/stat; done").stdout
    host.run("sh", "-c", f"{shell} {DOWN}")
    assert took < 5
    assert done.stderr == "up.sh: the lab services is up; sh down.sh removes it\n"
    assert page == "hello from web\n"
    files = {each for each in held if each and not each.startswith("socket:")}
    assert files == {"/dev/null", f"{STATE}/web-1.log"}
    assert {line.split()[1] for line in sessions.splitlines()} == {"0"}  # no terminal
    assert host.state() == before


def test_a_program_outlives_the_terminal_that_it_was_started_from(host: Host, tmp_path: Path) -> None:
    """A terminal that goes ends what is in its session, as sudo's does when the script is done."""
    up, down = compiled('lab tty\nbridge br0 in s\nnode a ip 192.0.2.1/24 on br0 run "sleep 621"\n', tmp_path)
    before = host.state()
    host.run("script", "--quiet", "--command", f"sh {up}", "/dev/null")
    time.sleep(0.3)
    program = host.run("ip", "netns", "pids", "a").stdout.split()
    host.run("sh", down)
    host.run("sh", "-c", f"sed 's/exec setsid ip/exec ip/' {up} >{tmp_path}/in-session.sh")
    host.run("script", "--quiet", "--command", f"sh {tmp_path}/in-session.sh", "/dev/null")
    time.sleep(0.3)
    in_session = host.run("ip", "netns", "pids", "a").stdout.split()
    host.run("sh", down)
    assert program != []
    assert in_session == []
    assert host.state() == before


def test_the_longest_name_leaves_room_for_what_is_kept_for_the_node(host: Host, tmp_path: Path) -> None:
    name = "n" * 240
    lab = f'lab long\nhosts\nbridge br0 in s\nnode {name} ip 192.0.2.1/24 on br0 dns 192.0.2.1 run "echo hello"\n'
    too_long = compile_lab("lab.nsl", lab.replace(name, f"{name}n").encode(), KINDS)
    up, down = compiled(lab, tmp_path)
    before = host.state()
    host.run("sh", up)
    time.sleep(0.2)
    said = host.run("cat", f"/run/nscompile/long/{name}-1.log").stdout
    host.run("sh", down)
    assert said == "hello\n"
    assert host.state() == before
    assert {each.code for each in too_long.diagnostics} == {"NSL104"}


def test_a_shell_in_the_node_gets_the_command_to_the_letter(host: Host, tmp_path: Path) -> None:
    lab = r"""lab letter
bridge br0 in switch
node a ip 192.0.2.1/24 on br0 {
    run "printf '%s\n' \"it's\" $((6 * 7)) 'a[1..3]' \"\\\\\" '`$HOME`' \\$x é; pwd; umask; ip -br address show a-veth0"
    run "no-such-program"
    run "exit 3"
}
"""
    up, down = compiled(lab, tmp_path)
    before = host.state()
    done = host.run("sh", up)
    time.sleep(0.3)
    first, second = (host.run("cat", f"/run/nscompile/letter/a-{number}.log").stdout for number in (1, 2))
    host.run("sh", down)
    assert done.stderr == "up.sh: the lab letter is up; sh down.sh removes it\n"
    *words, folder, mask, address = first.splitlines()
    assert words == ["it's", "42", "a[1..3]", "\\", "`$HOME`", "$x", "é"]
    assert folder == "/run/nscompile/letter/work"
    assert mask == "0022"
    assert "192.0.2.1/24" in address
    assert "no-such-program: not found" in second
    assert host.state() == before


def test_programs_end_with_the_lab_however_they_try_to_live_on(host: Host, tmp_path: Path) -> None:
    lab = """lab stubborn
bridge br0 in switch
node a ip 192.0.2.1/24 on br0 {
    run "trap '' TERM HUP INT; while :; do sleep 0.1; done"
    run "sleep 611 & sleep 612 & sleep 613"
    run "setsid sh -c 'sleep 614 &'; (cd /; exec sleep 615 >/dev/null 2>&1) &"
    run "mkdir -p deep/er; echo x >deep/er/file; ln -s /etc outside"
}
"""
    up, down = compiled(lab, tmp_path)
    before = host.state()
    host.run("sh", up)
    time.sleep(0.3)
    inside = host.run("ip", "netns", "pids", "a").stdout.split()
    host.run("sh", down)
    alive = [process for process in inside if is_alive(process)]
    assert len(inside) >= 6
    assert alive == []
    assert host.state() == before


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("signal", ["", "TERM", "INT", "HUP"])
def test_a_program_that_is_still_on_its_way_is_waited_for(host: Host, tmp_path: Path, shell: str, signal: str) -> None:
    """Whether up.sh comes to its end or to a signal: else the program would come to a namespace that is no more."""
    strike = f"kill -s {signal} $PPID" if signal else ":"
    (tmp_path / "setsid").write_text(SLOW % strike)
    (tmp_path / "setsid").chmod(0o755)
    before = host.state()
    path = f"PATH={tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"
    done = host.run("env", path, *shell.split(), UP, check=False)
    if done.returncode == 0:
        host.run("sh", DOWN)
    left = running("")
    time.sleep(0.7)
    assert done.returncode == {"": 0, "TERM": 143, "INT": 130, "HUP": 129}[signal]
    assert left == running("") == []
    assert host.state() == before


def test_down_repairs_what_a_killed_up_has_left(host: Host, tmp_path: Path) -> None:
    """`kill -9` at random moments, and every other time when the program is on its way."""
    started = tmp_path / "started"
    (tmp_path / "setsid").write_text(SLOW % f": >{started}")
    (tmp_path / "setsid").chmod(0o755)
    before = host.state()
    moments = random.Random(7)
    for number in range(12):
        started.unlink(missing_ok=True)
        path = f"PATH={tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"
        with subprocess.Popen(host.enter("env", path, "sh", UP), stderr=subprocess.DEVNULL) as process:
            if number % 2:
                while not started.exists():
                    time.sleep(0.01)
            else:
                time.sleep(moments.uniform(0.02, 0.5))
            process.kill()
        time.sleep(0.05)  # the command that was under way is not killed with its shell
        on_its_way = running("setsid")
        host.run("sh", DOWN)
        assert on_its_way or not number % 2
        assert running("") == []
        assert host.state() == before


@pytest.mark.parametrize(
    "theirs", [f"echo 192.0.2.9 web >{HOSTS}", f"ln -s /etc/hosts {HOSTS}", f"ln -s /none {HOSTS}", f"mkdir {HOSTS}"]
)
def test_a_file_of_somebody_elses_is_refused_and_left_alone(spoilt: Host, theirs: str) -> None:
    spoilt.run("sh", "-c", f"mkdir -p /etc/netns/web && {theirs}")
    before = spoilt.state()
    refused = spoilt.run("sh", UP, check=False)
    after = spoilt.state()
    down = spoilt.run("sh", DOWN)
    assert refused.returncode == 3
    assert refused.stderr == f"up.sh: already on this host: file {HOSTS}\n"
    assert down.stderr == "down.sh: the lab services is not up; there is nothing to do\n"
    assert before == after == spoilt.state()


def test_what_somebody_put_there_since_stays_and_so_does_its_folder(spoilt: Host) -> None:
    spoilt.run("sh", UP)
    spoilt.run("sh", "-c", f"rm {HOSTS}; echo 192.0.2.9 web >{HOSTS}; echo search lab >/etc/netns/client/resolv.conf")
    down = spoilt.run("sh", DOWN)
    left = spoilt.run("find", "/etc/netns", "-type", "f").stdout.split()
    assert down.stderr == "down.sh: the lab services is gone\n"
    assert sorted(left) == ["/etc/netns/client/resolv.conf", HOSTS]


@pytest.mark.parametrize("there", ["/etc/netns", "/etc/netns/web", "/etc/netns/web /etc/netns/client"])
def test_folders_that_were_there_stay(spoilt: Host, there: str) -> None:
    spoilt.run("mkdir", "-p", *there.split())
    spoilt.run("sh", "-c", "echo search lab >/etc/netns/resolv.conf")
    before = spoilt.state()
    spoilt.run("sh", UP)
    spoilt.run("sh", DOWN)
    assert spoilt.state() == before


def test_two_labs_with_names_leave_no_folder_in_whichever_order(host: Host, tmp_path: Path) -> None:
    lab = "lab other\nhosts\nbridge br0 in other net 10.0.9.0/24\nnode x, y on br0\n".replace("x, y", "[x,y]")
    pairs = ((UP, DOWN), compiled(lab, tmp_path))
    before = host.state()
    for first, second in permutations(pairs):
        for gone_first, gone_second in permutations(pairs):
            host.run("sh", first[0])
            host.run("sh", second[0])
            reached = host.pings("x", "y"), host.pings("client", "web"), host.pings("x", "web")
            host.run("sh", gone_first[1])
            host.run("sh", gone_second[1])
            assert reached == (True, True, False)
            assert host.state() == before


def test_what_a_reboot_leaves_is_in_nobodys_way(host: Host) -> None:
    """A reboot empties /run and ends the namespaces, and knows nothing of /etc."""
    before = host.state()
    reboot = f"ip netns pids web | xargs kill; for n in web client switch; do ip netns del $n; done; rm -r {STATE}"
    host.run("sh", UP)
    host.run("sh", "-c", f"{reboot}; rmdir /run/nscompile; umount -n /run/netns; rmdir /run/netns")
    left = host.state()
    host.run("sh", UP)
    page = fetch(host)
    host.run("sh", DOWN)
    after_up = host.state()
    host.run("sh", UP)
    host.run("sh", "-c", f"{reboot}; rmdir /run/nscompile; umount -n /run/netns; rmdir /run/netns")
    swept = host.run("sh", DOWN)
    assert left != before
    assert page == "hello from web\n"
    assert after_up == before
    assert swept.stderr == "down.sh: the lab services is not up; there is nothing to do\n"
    assert host.state() == before


def test_a_name_server_in_the_lab_is_asked(host: Host, tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(NAME_SERVER)
    lab = f"""lab names
bridge br0 in switch
node client ip 192.0.2.1/24 on br0 dns 192.0.2.2
node ns ip 192.0.2.2/24 on br0 run "exec python3 {tmp_path}/server.py"
"""
    up, down = compiled(lab, tmp_path)
    before = host.state()
    host.run("sh", "-c", f"umask 077; sh {up}")
    host.run("sh", "-c", "for _ in 1 2 3 4 5 6 7 8 9; do ip netns exec ns ss -uln | grep :53 && exit; sleep 0.3; done")
    answer = host.run("ip", "netns", "exec", "client", "getent", "ahostsv4", "www.example.net").stdout
    # Who asks need not be root.
    nobody = ["setpriv", "--reuid", "65534", "--clear-groups"]
    seen = host.run("ip", "netns", "exec", "client", *nobody, "cat", "/etc/resolv.conf").stdout
    elsewhere = host.run("ip", "netns", "exec", "ns", "cat", "/etc/resolv.conf").stdout
    host.run("sh", down)
    assert answer.startswith("192.0.2.77 ")
    assert seen == "nameserver 192.0.2.2\n"
    assert elsewhere == host.run("cat", "/etc/resolv.conf").stdout
    assert host.state() == before


def test_a_resolv_conf_that_is_a_link_as_systemd_makes_it_stays_the_hosts(spoilt: Host, tmp_path: Path) -> None:
    stub = (
        "mkdir /run/resolve; echo nameserver 127.0.0.53 >/run/resolve/stub; ln -sf /run/resolve/stub /etc/resolv.conf"
    )
    spoilt.run("sh", "-c", stub)
    up, down = compiled("lab dns\nbridge br0 in s\nnode a ip 192.0.2.1/24 on br0 dns 192.0.2.2\n", tmp_path)
    before = spoilt.state()
    spoilt.run("sh", up)
    seen = spoilt.run("ip", "netns", "exec", "a", "cat", "/etc/resolv.conf").stdout
    outside = spoilt.run("cat", "/etc/resolv.conf").stdout
    spoilt.run("sh", down)
    assert (seen, outside) == ("nameserver 192.0.2.2\n", "nameserver 127.0.0.53\n")
    assert spoilt.state() == before


def test_a_host_without_the_file_that_a_nodes_own_is_mounted_over_is_refused(spoilt: Host) -> None:
    spoilt.run("rm", "/etc/hosts")
    before = spoilt.state()
    refused = spoilt.run("sh", UP, check=False)
    after = spoilt.state()
    # What would happen otherwise.
    spoilt.run("sh", "-c", "ip netns add web; mkdir -p /etc/netns/web; echo 192.0.2.1 web >/etc/netns/web/hosts")
    warned = spoilt.run("ip", "netns", "exec", "web", "true", check=False)
    assert refused.returncode == 3
    assert refused.stderr == "up.sh: this host has no /etc/hosts, which a node's own is mounted over\n"
    assert after == before
    assert "/etc/hosts failed: No such file or directory" in warned.stderr


def test_a_host_whose_etc_cannot_be_written_to_is_refused(spoilt: Host) -> None:
    spoilt.run("mount", "-n", "-o", "remount,ro", "/etc")
    refused = spoilt.run("sh", UP, check=False)
    assert refused.returncode == 3
    assert "up.sh: nothing can be written to /etc/netns, where a node's own files stand\n" in refused.stderr
