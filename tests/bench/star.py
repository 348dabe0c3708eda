"""The star, and all who build it.

N nodes on the bridge `br0` in a namespace of its own, each with an address in 10.1.0.0/16 and a default route through
an uplink to the host, which forwards. Node n1 is 10.1.0.2, n2 is 10.1.0.3. Mininet and netpen have neither uplink nor
default route in such a star, and Mininet's bridge is on the host: theirs is the smaller network.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCH = Path(__file__).parent
NSCOMPILE = Path(sys.executable).with_name("nscompile")

LAB = """\
lab star
bridge br0 in bridge
for i in 1..{nodes} {{ node n$i ip 10.1.$(i / 250).$(i % 250 + 1)/16 on br0 }}
uplink br0 ip 10.1.255.254/16
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """What builds a star and what takes it down again, each a command; none where it is done by Mininet."""

    name: str
    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    is_slow: bool = False  # it moves each interface to its namespace, or starts a process for each step


def contenders(nodes: int, folder: Path) -> list[Contender]:
    """All of them for a star of so many nodes, their files in `folder`."""
    program, article = floor(folder), _compiled(nodes, folder / "article")
    return [
        Contender("floor", (program, "up", str(nodes)), (program, "down", str(nodes))),
        _compiled(nodes, folder / "optimized", "-O"),
        article,
        _written("the bare commands", "sh", folder / "bare", _bare(article), _article_down(nodes)),
        _written("netpen-style", "bash", folder / "netpen", netpen(nodes), _netpen_down(nodes)),
        Contender("Mininet"),
    ]


def floor(folder: Path) -> str:
    """The C program, compiled."""
    program = folder / "floor"
    if not program.exists():
        command = ["gcc", "-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(BENCH / "floor.c")]
        subprocess.run(command, check=True)
    return str(program)


def _compiled(nodes: int, folder: Path, *options: str) -> Contender:
    folder.mkdir()
    lab = folder / "star.nsl"
    lab.write_text(LAB.format(nodes=nodes), encoding="utf-8")
    subprocess.run([NSCOMPILE, lab, "-o", folder, *options], check=True, stdout=subprocess.DEVNULL)
    name = "`nscompile -O`" if options else "`nscompile`, the article's commands"
    return Contender(name, ("sh", str(folder / "up.sh")), ("sh", str(folder / "down.sh")), is_slow=not options)


def _written(name: str, shell: str, folder: Path, up: Iterator[str], down: Iterator[str]) -> Contender:
    """A script that ends at the first command that fails, and promises nothing else."""
    folder.mkdir()
    for file, commands in (("up.sh", up), ("down.sh", down)):
        lines = ["exec >/dev/null", *commands]
        (folder / file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Contender(name, (shell, "-e", str(folder / "up.sh")), (shell, "-e", str(folder / "down.sh")), is_slow=True)


def _bare(article: Contender) -> Iterator[str]:
    """The commands of `up.sh`, as its dry run prints them, and nothing else of it."""
    dry_run = subprocess.run([*article.up, "--dry-run"], capture_output=True, text=True, check=True)
    return (line for line in dry_run.stdout.splitlines() if line.startswith(("ip ", "sysctl ")))


def _article_down(nodes: int) -> Iterator[str]:
    yield "ip link del rt-veth"
    yield "ip netns del bridge"
    yield from (f"ip netns del n{number}" for number in range(1, nodes + 1))


def netpen(nodes: int) -> Iterator[str]:
    """The commands of the script that netpen writes for such a star, in its order.

    That is how its sources have it: each namespace forwards, a veth pair is made in place, each end is set up with a
    command of its own that enters the namespace, and the bridge comes last.
    """
    spaces = [*(f"n{number}" for number in range(1, nodes + 1)), "bridge"]
    yield "sysctl -w net.ipv4.route.mtu_expires=15"
    for space in spaces:
        yield f"ip netns add {space}"
        yield f"ip netns exec {space} sysctl -w net.ipv4.conf.all.forwarding=1"
        yield f"ip netns exec {space} sysctl -w net.ipv6.conf.all.forwarding=2"
    for number in range(1, nodes + 1):
        link = f"n{number}tobr"
        yield f"ip link add {link}.dev1 netns n{number} type veth peer name {link}.dev2 netns bridge"
        yield f"ip -net n{number} link set {link}.dev1 up"
        yield f"ip -net n{number} addr add 10.1.{number // 250}.{number % 250 + 1}/16 dev {link}.dev1"
        yield f"ip -net bridge link set {link}.dev2 up"
    yield "ip -net bridge link add br0 type bridge"
    yield "ip -net bridge link set br0 up"
    yield from (f"ip -net bridge link set n{number}tobr.dev2 master br0" for number in range(1, nodes + 1))


def _netpen_down(nodes: int) -> Iterator[str]:
    """netpen writes no such script: what a person would type."""
    yield "ip netns del bridge"
    yield from (f"ip netns del n{number}" for number in range(1, nodes + 1))
