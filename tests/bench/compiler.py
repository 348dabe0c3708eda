"""The compiler as a whole process, from its start to its end: seconds, and the most memory it had."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.star import BENCH, NSCOMPILE

if TYPE_CHECKING:
    from collections.abc import Iterator

ARTICLE = BENCH.parent.parent / "out" / "article" / "lab.nsl"
PER_BRIDGE = 500


@dataclass(frozen=True, slots=True)
class Process:
    seconds: float
    megabytes: float


def measure(rounds: int) -> dict[str, list[Process]]:
    """The runs of each command by its name, taken in turn after one that is not counted."""
    with tempfile.TemporaryDirectory() as name:
        commands = dict(_commands(Path(name)))
        for command in commands.values():
            run(command)
        runs: dict[str, list[Process]] = {each: [] for each in commands}
        for number in range(rounds):
            print(f"compiler, round {number + 1} of {rounds}", file=sys.stderr)
            for each, command in commands.items():
                runs[each].append(run(command))
        return runs


def _commands(folder: Path) -> Iterator[tuple[str, list[str]]]:
    yield "imports", [sys.executable, "-c", "import lark, jinja2, click"]
    yield "article", [str(NSCOMPILE), str(ARTICLE)]
    for nodes in (1000, 10000):
        for kind, lab in (("loop", loop(nodes)), ("lines", lines(nodes))):
            file = folder / f"{kind}{nodes}.nsl"
            file.write_text(lab, encoding="utf-8")
            yield f"{nodes} {kind}", [str(NSCOMPILE), str(file)]


def loop(nodes: int) -> str:
    """Bridges of 500 nodes, from loops."""
    return f"""\
for b in 1..{nodes // PER_BRIDGE} {{
    bridge br$b in switch$b
    for i in 1..{PER_BRIDGE} {{ node n$b-$i ip 10.$b.$(i / 250).$(i % 250 + 1)/16 on br$b }}
}}
"""


def lines(nodes: int) -> str:
    """The same, a line for each bridge and each node."""
    return "".join(
        f"bridge br{b} in switch{b}\n"
        + "".join(f"node n{b}-{i} ip 10.{b}.{i // 250}.{i % 250 + 1}/16 on br{b}\n" for i in range(1, PER_BRIDGE + 1))
        for b in range(1, nodes // PER_BRIDGE + 1)
    )


def run(command: list[str]) -> Process:
    # Python keeps what it has compiled unless it is told not to, and with it nscompile what it has worked out.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: {process.returncode}")
    return Process(seconds, usage.ru_maxrss / 1024)
