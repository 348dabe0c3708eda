"""Impairments: the lab's words reach tc unchanged, and the kernel does with packets what they say.

What needs netem runs on the second kernel, since that of a small machine may lack it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from fractions import Fraction
from statistics import median
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host import Host
from nscompile.cli import KINDS
from nscompile.compiler import compile_lab
from nscompile.diagnostics import Diagnostics
from nscompile.resolve.quantities import DELAY, JITTER, RATE, SHARE, quantity
from nscompile.source import Source, Span
from nscompile.syntax import Word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.model import Quantity

PAIR = "node a\nnode b\nlink a ip 10.0.0.1/30 -- b ip 10.0.0.2/30 {}\n"
CLAUSES = ("delay", "jitter", "loss", "duplicate", "reorder", "corrupt", "rate")
MEASURES = {"delay": DELAY, "jitter": JITTER, "rate": RATE} | dict.fromkeys(CLAUSES[2:6], SHARE)


def read(text: str, clause: str) -> tuple[Quantity | None, list[str]]:
    diagnostics = Diagnostics()
    word = Word(text, Span(Source("lab.nsl", text), 0, len(text)))
    found = quantity(word, MEASURES[clause], diagnostics)
    return found, [each.code for each in diagnostics.in_source_order()]


@st.composite
def numbers(draw: st.DrawFn, most: int) -> str:
    """A number up to `most`, in any of the ways to write it."""
    whole = "0" * draw(st.integers(0, 2)) + str(draw(st.integers(1, most - 1)))
    return whole + draw(st.sampled_from(["", ".0", ".5", ".25", ".125", ".500"]))


# fmt: off
WRITTEN = {
    "delay": st.one_of(numbers(274).map("{}s".format), numbers(274_000).map("{}ms".format)),
    "jitter": st.one_of(numbers(2000).map("{}ms".format), st.integers(1, 10**6).map("{}us".format)),
    "rate": st.one_of(numbers(400).map("{}gbit".format), numbers(10**6).map("{}mbit".format).filter(
        lambda text: Fraction(text[:-4]) <= 400_000)),
    **dict.fromkeys(CLAUSES[2:6], numbers(100).map("{}%".format)),
}
# fmt: on


@given(st.data(), st.sampled_from(CLAUSES))
def test_a_quantity_within_bounds_is_read_and_keeps_its_text(data: st.DataObject, clause: str) -> None:
    text = data.draw(WRITTEN[clause])
    found, codes = read(text, clause)
    assert codes == []
    assert found is not None
    assert found.text == text


@given(st.text(max_size=12) | st.from_regex(r"[0-9.]{1,8}[a-zµ%/]{0,5}", fullmatch=True), st.sampled_from(CLAUSES))
def test_whatever_stands_for_a_quantity_is_read_or_reported_once(text: str, clause: str) -> None:
    found, codes = read(text, clause)
    assert len(codes) == (found is None)
    assert set(codes) <= {"NSL501", "NSL502"}
    assert found is None or found.text == text


@given(st.data(), st.permutations([*CLAUSES, "limit"]))
def test_tc_is_given_the_units_exactly_as_written(data: st.DataObject, order: list[str]) -> None:
    values = {clause: data.draw(WRITTEN[clause]) for clause in CLAUSES} | {"limit": "4294967295"}
    clauses = " ".join(f"{clause} {values[clause]}" for clause in order)
    script = compile_lab("lab.nsl", PAIR.format(clauses).encode(), KINDS).scripts["up"]
    given = " ".join(f"{clause} {values[clause]}" for clause in [*CLAUSES, "limit"]).replace("jitter ", "")
    assert f"ip netns exec a tc qdisc add dev a-b root netem {given}\n" in script
    assert f"ip netns exec b tc qdisc add dev b-a root netem {given}\n" in script


@contextmanager
def built(host: Host, lab: str) -> Iterator[None]:
    """The lab, on a host that is left as it was."""
    scripts = compile_lab("lab.nsl", lab.encode(), KINDS).scripts
    before = host.state()
    host.run("sh", "-c", scripts["up"])
    try:
        yield
    finally:
        host.run("sh", "-c", scripts["down"])
    assert host.state() == before


# Sends for three seconds, and is told how fast that came in, in Mbit/s.
SENDER = """
import socket, time
with socket.create_connection(("10.0.0.2", 5001)) as line:
    end = time.monotonic() + 3
    while time.monotonic() < end:
        line.send(bytes(16384))
"""
RECEIVER = """
import socket, time
with socket.create_server(("10.0.0.2", 5001)) as door:
    print("ready", flush=True)
    line, _ = door.accept()
    start, count = time.monotonic(), 0
    while got := len(line.recv(65536)):
        count += got
    print(count * 8 / 1e6 / (time.monotonic() - start))
"""


def megabits(host: Host) -> float:
    """What TCP gets through from a to b, in Mbit/s of what it carries."""
    receiver = ["ip", "netns", "exec", "b", sys.executable, "-c", RECEIVER]
    with subprocess.Popen(host.enter(*receiver), stdout=subprocess.PIPE, text=True) as receiving:
        assert receiving.stdout
        assert receiving.stdout.readline() == "ready\n"
        host.run("ip", "netns", "exec", "a", sys.executable, "-c", SENDER)
        return float(receiving.stdout.read())


@pytest.mark.parametrize(
    ("rate", "least", "most"), [("1.5mbit", 1.2, 1.575), ("10mbit", 8, 10.5), ("100mbit", 80, 105)]
)
def test_a_rate_is_kept_and_used(rate: str, least: float, most: float) -> None:
    with Host() as host, built(host, PAIR.format(f"rate {rate}")):
        found = megabits(host)
    print(f"\n{rate}: {found:.2f} Mbit/s")
    assert least <= found <= most


# A cable for each thing that netem does.
CABLES = """
node a
node b
link a:both    ip 10.0.1.1/30               -- b:both    ip 10.0.1.2/30 delay 10ms
link a:one     ip 10.0.2.1/30 delay 10ms    -- b:one     ip 10.0.2.2/30
link a:uneven  ip 10.0.3.1/30 delay 5ms     -- b:uneven  ip 10.0.3.2/30 delay 20ms
link a:slow    ip 10.0.4.1/30               -- b:slow    ip 10.0.4.2/30 delay 10ms rate 1mbit
link a:jitter  ip 10.0.5.1/30 delay 20ms jitter 10ms -- b:jitter ip 10.0.5.2/30
link a:twice   ip 10.0.6.1/30 duplicate 100% -- b:twice  ip 10.0.6.2/30
link a:cut     ip 10.0.7.1/30 loss 100%     -- b:cut     ip 10.0.7.2/30
link a:ahead   ip 10.0.8.1/30 delay 200ms reorder 50% -- b:ahead ip 10.0.8.2/30
link a:noise   ip 10.0.9.1/30 corrupt 100%  -- b:noise   ip 10.0.9.2/30
"""


@pytest.fixture(scope="module")
def cables(guest: Host) -> Iterator[Host]:
    """The host of these cables, whose kernel has netem."""
    with built(guest, CABLES):
        yield guest


def ping(host: Host, target: str, *options: str) -> str:
    """Eleven echoes from a to b, of which the first has to find the neighbour."""
    return host.run(*"ip netns exec a ping -c 11 -i 0.1".split(), *options, target).stdout


def round_trips(host: Host, target: str, *options: str) -> list[float]:
    """Ten round trips in ms."""
    times = re.findall(r"icmp_seq=(?!1 ).* time=([\d.]+) ms", ping(host, target, *options))
    assert len(times) == 10
    return [float(time) for time in times]


@pytest.mark.parametrize(("target", "delays"), [("10.0.1.2", 20), ("10.0.2.2", 10), ("10.0.3.2", 25)])
def test_a_round_trip_takes_the_delays_of_both_directions(cables: Host, target: str, delays: int) -> None:
    times = round_trips(cables, target)
    print(f"\n{delays} ms: {median(times):.1f} ms")
    assert delays <= median(times) <= delays + 3


def test_a_rate_with_a_delay_is_the_time_that_a_packet_takes_on_top(cables: Host) -> None:
    """At 1 Mbit/s 1514 bytes take 12.1 ms, once there and once back."""
    times = round_trips(cables, "10.0.4.2", "-s", "1472")
    print(f"\ndelay 10ms rate 1mbit: {median(times):.1f} ms")
    assert 44.2 <= median(times) <= 47.2


def test_jitter_is_a_delay_that_varies_within_bounds(cables: Host) -> None:
    times = round_trips(cables, "10.0.5.2")
    assert min(times) >= 10
    assert max(times) - min(times) >= 2


def test_a_duplicate_is_a_second_packet(cables: Host) -> None:
    assert "+10 duplicates" in ping(cables, "10.0.6.2")  # ping stops at the last answer, before that of its duplicate


def arrivals(host: Host, cable: str, source: str, target: str) -> tuple[int, int]:
    """How many of ten packets come out of a cable, and how many get an answer. Nobody is asked for the address."""
    far = {"a": "b", "b": "a"}[source]
    mac = host.run("ip", "netns", "exec", far, "cat", f"/sys/class/net/{cable}/address").stdout.strip()
    host.run(*f"ip netns exec {source} ip neigh replace {target} lladdr {mac} dev {cable}".split())
    counter = f"ip netns exec {far} cat /sys/class/net/{cable}/statistics/rx_packets".split()
    before = int(host.run(*counter).stdout)
    pinged = host.run(*f"ip netns exec {source} ping -c 10 -i 0.1 -W 1 {target}".split(), check=False).stdout
    return int(host.run(*counter).stdout) - before, pinged.count(" time=")


def test_loss_in_one_direction_leaves_the_other_whole(cables: Host) -> None:
    assert not cables.pings("a", "10.0.7.2")
    assert not cables.pings("b", "10.0.7.1")
    assert arrivals(cables, "cut", "a", "10.0.7.2") == (0, 0)
    assert arrivals(cables, "cut", "b", "10.0.7.1")[0] >= 10


def test_a_corrupt_packet_arrives_and_is_not_taken_for_whole(cables: Host) -> None:
    """But for one in about fifteen, whose bit is one of the sender's MAC address, which nobody looks at."""
    arrived, answered = arrivals(cables, "noise", "a", "10.0.9.2")
    print(f"\ncorrupt 100%: {answered} of {arrived} answered")
    assert arrived >= 10
    assert answered < 6


def test_what_is_reordered_overtakes_what_is_delayed(cables: Host) -> None:
    order = [int(each) for each in re.findall(r"icmp_seq=(\d+)", ping(cables, "10.0.8.2", "-c", "30", "-i", "0.05"))]
    assert sorted(order) == list(range(1, 31))
    assert order != sorted(order)
