"""The second kernel itself: what it is there for, and that it never outlives the tests."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from machine import GuestHost

if TYPE_CHECKING:
    from machine import Machine

TESTS = Path(__file__).parent

# What ends without a word to its guest.
KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from machine import Machine
print(Machine(Path(sys.argv[2])).__enter__()._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_the_second_kernel_is_another_one_and_makes_every_kind_of_interface(guest: GuestHost) -> None:
    kinds = (
        "type bond",
        "type bridge vlan_filtering 1",
        "type dummy",
        "type gre local 192.0.2.1 remote 192.0.2.2",
        "type ipip local 192.0.2.1 remote 192.0.2.2",
        "type sit local 192.0.2.1 remote 192.0.2.2",
        "type veth",
        "type vrf table 10",
        "type vxlan id 10 dstport 4789",
        "type wireguard",
        "link below type ipvlan",
        "link below type macvlan",
        "link below type vlan id 10",
    )
    for kind in kinds:
        made = f"ip link add below type dummy; ip link add new {kind}; ip link show new"
        assert ": new" in guest.run("unshare", "--net", "sh", "-ec", made).stdout
    assert guest.run("uname", "-r").stdout.strip() != platform.release()


def test_hosts_in_one_guest_know_nothing_of_each_other(machine: Machine, guest: GuestHost) -> None:
    before = guest.state()
    with GuestHost(machine) as other:
        as_new = other.state()
        other.run("ip", "netns", "add", "theirs")
        other.run("sysctl", "net.ipv4.ip_forward=1")
        changed = other.state()
        assert guest.state() == before
    assert changed != as_new


def runs(process: str) -> bool:
    """Whether a process is at work; of one that nobody has waited for yet only the number is left."""
    try:
        return Path("/proc", process, "cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.usefixtures("machine")
def test_the_guest_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(TESTS), str(tmp_path)]
    guest = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    for _ in range(50):
        if not runs(guest):
            break
        time.sleep(0.1)
    assert guest
    assert not runs(guest)
