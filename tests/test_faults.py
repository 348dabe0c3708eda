"""All or nothing: each changing command of each lab of the gallery made to fail, and each followed by a signal.

A shim stands in PATH before the real tools and counts the commands of the script's body, of a batch each line. Whatever
is done to a script that builds a lab, in whichever shell, afterwards the host is as it was. Labs that need the second
kernel are struck there, at the same time; that is slower, so there a command either fails or is followed by a signal,
in turn. So it is with the scripts of `-O`, whose shares go on beside the one that is struck.
"""

from __future__ import annotations

import random
import re
import signal
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pytest

from host import AnyHost, Host
from machine import GuestHost, Machine, lacks
from nscompile.compiler import compile_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    Hosts = SimpleQueue[tuple[Host, list[str]]]
    Guests = SimpleQueue[tuple[GuestHost, list[str]]]

GALLERY = Path(__file__).parent.parent / "out"
LABS = sorted(folder.name for folder in GALLERY.iterdir())
SHELLS = (["dash"], ["bash"], ["busybox", "sh"], ["mksh"], ["yash"])
TOOLS = ("ip", "sysctl", "iptables", "ip6tables", "mkdir", "ln", "wg")
WORKERS = 8
GUEST_WORKERS = 2  # as many as it has processors
KINDS = ("fail", "HUP", "INT", "TERM")
STATUS = {"fail": 1, "HUP": 129, "INT": 130, "TERM": 143}
# A lab with more commands than these is struck at some: at the first and last of each section, and here and there.
MOST_STRUCK = 150
MOST_STRUCK_IN_GUEST = 40
STRUCK_IN_FAST = 12

# Questions and what stands before the body are passed on uncounted; so is everything once the fault has struck, which
# the teardown needs.
SHIM = """#!/bin/sh
PATH=${{PATH#*:}}
main=$PPID
case $(readlink /proc/$PPID/cwd) in */shares) main=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status) ;; esac
counted() {{
    exec 9>"$COUNT.lock"
    flock 9
    count=$(($(cat "$COUNT") + $1))
    echo "$count" >"$COUNT"
    exec 9>&-
}}
case "$*" in
    *'-force -batch'*) exec {tool} "$@" ;;
    *-batch*)
        lines=$COUNT.$$
        cat >"$lines"
        counted "$(wc -l <"$lines")"
        last=$((AT - count + $(wc -l <"$lines")))
        if [ "$last" -lt 1 ] || [ "$AT" -gt "$count" ]; then exec {tool} "$@" <"$lines"; fi
        head -n $((last - 1)) "$lines" | {tool} "$@"
        [ "$FAULT" != fail ] || exit 77
        sed -n "${{last}}p" "$lines" | {tool} "$@"
        kill -s "$FAULT" "$main"
        exit
        ;;
    -[VCS]* | *' -C '* | *show* | *'-A POSTROUTING -j '*) exec {tool} "$@" ;;
    'link add name a '* | 'link add name b '*) exec {tool} "$@" ;;
    *nscompile | '-m 700 '* | */-turn) exec {tool} "$@" ;;
    '-t nat -S' | *'-A PREROUTING -j '* | '-A INPUT -j '*) exec {tool} "$@" ;;
esac
counted 1
[ "$count" = "$AT" ] || exec {tool} "$@"
[ "$FAULT" != fail ] || exit 77
{tool} "$@"
kill -s "$FAULT" "$main"
"""


_Struck = TypeVar("_Struck", bound=AnyHost)


class Fault(NamedTuple):
    script: Path
    kind: str
    at: int


def fast_scripts(folder: Path) -> list[Path]:
    """What `-O` makes of the labs that need no other kernel."""
    found = []
    for lab in sorted(GALLERY.glob("*/lab.nsl")):
        if not lacks(lab.read_text(encoding="utf-8")):
            found.append(folder / f"{lab.parent.name}.sh")
            text = compile_lab("lab.nsl", lab.read_bytes(), ("up",), fast=True).scripts["up"]
            found[-1].write_text(text, encoding="utf-8")
    return found


def fast_places(script: Path) -> list[int]:
    """The first command, the last, and some between."""
    body = script.read_text(encoding="utf-8").partition("\n# ---- 1. ")[2]
    batches = re.findall(r"^(?:nsenter \S+ )?ip .*<<end\n((?:.*\n)*?)end$", body, re.MULTILINE)
    single = re.findall(rf"^(?:nsenter \S+ )?(?:{'|'.join(TOOLS)}) (?!.*<<end)", body, re.MULTILINE)
    total = sum(len(lines.splitlines()) for lines in batches) + len(single)
    chosen = random.Random(script.stem).sample(range(1, total + 1), min(total, STRUCK_IN_FAST))
    return sorted({1, total, *chosen})


def places(script: Path, most: int = MOST_STRUCK) -> list[int]:
    """Which commands to strike, by their number in the shim's count: those of the script's body that run a tool."""
    lab, body = script.parent.name, script.read_text(encoding="utf-8").partition("\n# ---- 1. ")[2]
    sections = [re.findall(rf"^(?:{'|'.join(TOOLS)}) ", section, re.MULTILINE) for section in body.split("\n# ---- ")]
    total = sum(map(len, sections))
    if total <= most:
        return list(range(1, total + 1))
    struck, last = set(random.Random(lab).sample(range(1, total + 1), 20)), 0
    for section in sections:
        struck |= {last + 1, last + len(section)} if section else set()
        last += len(section)
    return sorted(struck)


def strike(fault: Fault, hosts: SimpleQueue[tuple[_Struck, list[str]]], folder: Path) -> str | None:
    """Runs up.sh with one fault; what was wrong afterwards, or nothing."""
    host, before = hosts.get()
    count = folder / f"{id(host)}.count"
    host.run("sh", "-c", f"echo 0 >{count}")
    environment = [f"PATH={folder}:/usr/sbin:/usr/bin:/sbin:/bin", f"COUNT={count}", f"AT={fault.at}"]
    script = str(fault.script)
    shell = SHELLS[fault.at % len(SHELLS)]
    done = host.run("env", *environment, f"FAULT={fault.kind}", *shell, script, check=False)
    after = host.state()
    hosts.put((host, before))
    if done.returncode != STATUS[fault.kind]:
        return f"{fault}: status {done.returncode}, {done.stderr}"
    if after != before:
        return f"{fault}: {sorted(set(after) ^ set(before))}"
    return None


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """As many hosts as workers: most of the time a script waits for the kernel, so they are not in each other's way."""
    queue: Hosts = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(WORKERS):
            host = stack.enter_context(Host())
            queue.put((host, host.state()))
        yield queue


@pytest.fixture(scope="module")
def shims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shims")
    for tool in TOOLS:
        (folder / tool).write_text(SHIM.format(tool=tool))
        (folder / tool).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def guests(machine: Machine, shims: Path) -> Iterator[Guests]:
    queue: Guests = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(GUEST_WORKERS):
            host = stack.enter_context(GuestHost(machine))
            for folder in (shims, GALLERY):
                host.share(folder)
            queue.put((host, host.state()))
        yield queue


def test_no_fault_at_any_command_of_any_lab_leaves_a_trace(
    hosts: Hosts, guests: Guests, shims: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = {lab for lab in LABS if lacks((GALLERY / lab / "lab.nsl").read_text(encoding="utf-8"))}
    here = [(GALLERY / lab / "up.sh", at) for lab in LABS if lab not in there for at in places(GALLERY / lab / "up.sh")]
    faults = [Fault(script, kind, at) for script, at in here for kind in ("fail", KINDS[1 + at % 3])]
    fast = [Fault(script, KINDS[at % 4], at) for script in fast_scripts(tmp_path) for at in fast_places(script)]
    distant = [GALLERY / lab / "up.sh" for lab in sorted(there)]
    far = [Fault(script, KINDS[at % 4], at) for script in distant for at in places(script, MOST_STRUCK_IN_GUEST)]
    with ThreadPoolExecutor(WORKERS) as pool, ThreadPoolExecutor(GUEST_WORKERS) as guest_pool:
        done = pool.map(lambda fault: strike(fault, hosts, shims), [*faults, *fast])
        done_there = guest_pool.map(lambda fault: strike(fault, guests, shims), far)
        found = [trace for trace in (*done, *done_there) if trace]
    struck = Counter(fault.kind for fault in (*faults, *fast, *far))
    with capsys.disabled():
        print(
            f"\nfaults: {dict(struck)} in {len(LABS)} labs,",
            f"{len(far)} of them on the second kernel, {len(fast)} in scripts of -O, {len(found)} differences",
        )
    assert len(faults) > 900
    assert len(fast) > 120
    assert len(far) > 100
    assert found == []


@pytest.mark.parametrize(
    ("folder", "longest"), [("article", 0.25), ("fat-tree/optimized", 0.2)], ids=["article", "shares"]
)
def test_down_repairs_what_a_killed_up_has_left(
    hosts: Hosts, folder: str, longest: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """`kill -9` at ten moments of building a lab, shares of which live on; down.sh, and nothing is left."""
    host, before = hosts.get()
    moments = random.Random(3)
    script = GALLERY / folder / "up.sh"
    half_built = 0
    for _ in range(10):
        with subprocess.Popen(host.enter("sh", str(script)), stderr=subprocess.DEVNULL) as process:
            time.sleep(moments.uniform(0.02, longest))
            process.kill()
        if "optimized" not in folder:
            time.sleep(0.05)  # the command that was under way is not killed with its shell
        half_built += host.state() != before
        host.run("sh", str(script.with_name("down.sh")))
        assert host.state() == before
    hosts.put((host, before))
    with capsys.disabled():
        print(f"\nkill -9: 10 times, {half_built} of them with something to take down")
    assert half_built >= 5


@pytest.mark.parametrize(
    ("folder", "times"), [("dual-stack", 50), ("fat-tree/optimized", 30)], ids=["dual-stack", "shares"]
)
def test_a_signal_at_any_moment_is_as_if_nothing_had_been(
    hosts: Hosts, folder: str, times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random moments from before the first command to after the last, in every shell."""
    host, before = hosts.get()
    moments = random.Random(5)
    script = GALLERY / folder / "up.sh"
    ended: Counter[int] = Counter()
    for number in range(times):
        name = ("HUP", "INT", "QUIT", "TERM")[number % 4]
        command = host.enter(*SHELLS[number % 5], str(script))
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            time.sleep(moments.uniform(0, 0.4))
            process.send_signal(signal.Signals[f"SIG{name}"])
        ended[process.returncode] += 1
        if process.returncode == 0:
            host.run("sh", str(script.with_name("down.sh")))
        assert process.returncode in {0, 128 + signal.Signals[f"SIG{name}"], -signal.Signals[f"SIG{name}"]}
        assert host.state() == before, (number, name)
    hosts.put((host, before))
    with capsys.disabled():
        print(f"\nsignals: {times} at random moments, {ended[0]} of them too late, no difference")
    assert ended[0] < 0.8 * times


def test_what_cannot_be_taken_back_is_named_and_left_for_down(hosts: Hosts, tmp_path: Path) -> None:
    host, before = hosts.get()
    (tmp_path / "ip").write_text(
        """#!/bin/sh
PATH=${PATH#*:}
case "$*" in
    *"route add default"*) exit 2 ;;
    "-force -batch -") grep -v "del ns2" | ip "$@" ;;
    *) exec ip "$@" ;;
esac
"""
    )
    (tmp_path / "ip").chmod(0o755)
    path = f"PATH={tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"
    failed = host.run("env", path, "sh", str(GALLERY / "article" / "up.sh"), check=False)
    stuck = host.run("env", path, "sh", str(GALLERY / "article" / "down.sh"), check=False)
    repaired = host.run("sh", str(GALLERY / "article" / "down.sh"))
    after = host.state()
    hosts.put((host, before))
    assert (failed.returncode, stuck.returncode) == (4, 4)
    assert failed.stderr.splitlines()[1:] == ["up.sh: could not remove namespace ns2"]
    assert stuck.stderr == "down.sh: could not remove namespace ns2\n"
    assert repaired.stderr == "down.sh: the lab article is gone\n"
    assert after == before
