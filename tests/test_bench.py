"""What tests/bench/ measures is what it says: the same network from all contenders, and gone afterwards.

Mininet is no part of this: the bench installs it, the tests do not. Nothing here is timed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bench import compiler, report, stars
from bench.star import Contender, contenders
from host import Host
from nscompile.compiler import compile_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES = 3

# The star as its namespaces see it, and the host's end of it, without what the kernel numbers or draws.
_PICTURE = """
for name in $(ip netns list | cut -d' ' -f1 | sort); do
    echo "## $name"
    ip -n $name -br link show up | cut -d' ' -f1 | sort
    ip -n $name -o -4 address show | sed 's/^[0-9]*: //' | sort
    ip -n $name route show
    ip netns exec $name bridge link show | grep -o '[^ ]* master [^ ]*' | sort
done
ip -4 -br address show dev rt-veth | tr -s ' '
cat /proc/sys/net/ipv4/ip_forward
"""


@pytest.fixture(scope="module")
def all_contenders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Contender]:
    found = contenders(NODES, tmp_path_factory.mktemp("bench"))
    return {each.name: each for each in found if each.up}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


def links_and_namespaces(host: Host) -> list[str]:
    look = "ip -br link show | cut -d' ' -f1; ip netns list; ip -4 address show; ip route show table all"
    return host.run("sh", "-c", look).stdout.splitlines()


def picture(host: Host, contender: Contender) -> str:
    host.run(*contender.up)
    found = host.run("sh", "-c", _PICTURE).stdout
    host.run(*contender.down)
    return re.sub(r"@if\d+", "", found)


def test_the_floor_builds_the_star_and_takes_it_down(host: Host, all_contenders: dict[str, Contender]) -> None:
    before = links_and_namespaces(host)
    floor = all_contenders["floor"]
    host.run(*floor.up)
    for node in range(1, NODES + 1):
        for other in range(1, NODES + 1):
            assert host.pings(f"n{node}", f"10.1.0.{other + 1}")
        assert host.pings(f"n{node}", "10.1.255.254")
        assert host.pings(f"n{node}", "10.0.2.15")
    host.run(*floor.down)
    assert links_and_namespaces(host) == before


def test_all_contenders_build_a_star_and_take_it_down(host: Host, all_contenders: dict[str, Contender]) -> None:
    before = links_and_namespaces(host)
    for contender in all_contenders.values():
        host.run(*contender.up)
        assert host.pings("n1", "10.1.0.3"), contender
        assert host.pings("n3", "10.1.0.2"), contender
        host.run(*contender.down)
        assert links_and_namespaces(host) == before, contender


def test_the_floor_the_scripts_and_the_bare_commands_build_the_same_network(
    host: Host, all_contenders: dict[str, Contender]
) -> None:
    same = [each for name, each in all_contenders.items() if name != "netpen-style"]
    floor, *others = [picture(host, each) for each in same]
    assert "n1-veth0    inet 10.1.0.2/16" in floor
    assert "default via 10.1.255.254 dev n3-veth0" in floor
    for contender, other in zip(same[1:], others, strict=True):
        assert other == floor, contender


def test_the_kernel_is_done_no_earlier_than_the_star_is_out_of_sight(all_contenders: dict[str, Contender]) -> None:
    times = stars.run(all_contenders["floor"], NODES)
    assert 0 < times.up < times.whole
    assert 0 < times.down < times.done


def test_the_labs_of_the_compiler_are_one_network_in_two_ways_of_writing() -> None:
    scripts = [
        compile_lab("lab.nsl", lab(compiler.PER_BRIDGE).encode(), ("up",)).scripts["up"]
        for lab in (compiler.loop, compiler.lines)
    ]
    loop, lines = (re.findall("^ip .*", script, re.MULTILINE) for script in scripts)
    assert loop == lines
    assert f"ip netns add n1-{compiler.PER_BRIDGE}" in loop


@pytest.mark.parametrize(("found", "verdict"), [(1.5, "| yes |"), (1.51, "| **no** |"), (None, "| not measured | |")])
def test_a_figure_is_met_up_to_its_limit(found: float | None, verdict: str) -> None:
    assert report.Figure("this", 1.5, found).row().endswith(verdict)
