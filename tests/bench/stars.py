"""Stars built and taken down, the contenders in turn, so that the figures of one round are of the same conditions."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.star import BENCH, Contender, contenders
from host import Host

PYTHON = "/usr/bin/python3"


@dataclass(frozen=True, slots=True)
class Times:
    """What inside.py says of one run, in seconds."""

    up: float
    down: float
    done: float
    whole: float


@dataclass(frozen=True, slots=True)
class Star:
    """The rounds of all contenders with one number of nodes, by name, and the bytes of the script of `-O`."""

    nodes: int
    runs: dict[str, list[Times]]
    optimized_bytes: int | None


def measure(nodes: int, rounds: int, *, with_slow: bool) -> Star:
    with tempfile.TemporaryDirectory() as name:
        taking_part = [each for each in contenders(nodes, Path(name)) if with_slow or not each.is_slow]
        runs: dict[str, list[Times]] = {each.name: [] for each in taking_part}
        for number in range(rounds):
            for each in taking_part:
                print(f"{nodes} nodes, round {number + 1} of {rounds}: {each.name}", file=sys.stderr)
                runs[each.name].append(run(each, nodes))
        script = Path(name) / "optimized" / "up.sh"
        return Star(nodes, runs, script.stat().st_size if script.exists() else None)


def run(contender: Contender, nodes: int) -> Times:
    """One run in a throwaway host of its own."""
    order = {"up": contender.up, "down": contender.down} if contender.up else {"mininet": nodes}
    with Host() as host:
        command = host.enter(PYTHON, str(BENCH / "inside.py"), str(time.monotonic()))
        done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{contender.name}, {nodes} nodes:\n{done.stderr}")
    return Times(**json.loads(done.stdout))
