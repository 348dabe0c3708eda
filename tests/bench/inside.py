"""Builds and takes down a star once, in the throwaway host that it is started in, and says how long each took.

Reads `{"up": COMMAND, "down": COMMAND}` or `{"mininet": NODES}`, prints seconds:

- `up`: until the command has ended;
- `down`: until the command has ended and neither an interface nor a namespace of the star is to be seen on the host;
- `done`: until the kernel has worked off the namespaces, too, which it does in the background, in order. So one more
  namespace is let go when the star is no more to be seen; when the kernel has got to that, it is done with all others;
- `whole`: Mininet's whole process, up and down, from the moment that is given as the only argument.

Debian's own Python runs this, as it is the one that finds Debian's Mininet.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LAST = "last"


def commands(up: list[str], down: list[str]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    return lambda: run(*up), lambda: run(*down)


def mininet(nodes: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Mininet's own start and stop, of a star with addresses for all and no controller.

    What it does to the machine's limits before its first network is left out, as they are not the throwaway host's; but
    for the number of files of its own process.
    """
    from mininet.net import Mininet  # type: ignore[import-not-found]  # noqa: PLC0415
    from mininet.nodelib import LinuxBridge  # type: ignore[import-not-found]  # noqa: PLC0415
    from mininet.topo import SingleSwitchTopo  # type: ignore[import-not-found]  # noqa: PLC0415

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Mininet.inited = True
    topology = SingleSwitchTopo(nodes)
    network = Mininet(topology, switch=LinuxBridge, controller=None, ipBase="10.1.0.0/16", build=False)

    def start() -> None:
        network.start()
        ports = subprocess.run(["ip", "-o", "link", "show", "master", "s1"], check=True, capture_output=True).stdout
        assert len(ports.splitlines()) == nodes

    return start, network.stop


def run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stderr.decode()}")


def visible() -> set[str]:
    """The interfaces and namespaces of this host; /sys would show those of another."""
    namespaces = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []  # noqa: PTH208, PTH112
    return {name for _, name in socket.if_nameindex()} | {f"namespace {name}" for name in namespaces}


def wait_until(reached: Callable[[], bool]) -> None:
    while not reached():
        time.sleep(0.001)


def last_namespace() -> subprocess.Popen[bytes]:
    """A process in a namespace of its own, with an interface that the host sees."""
    command = ["unshare", "--net", "sh", "-c", "echo; exec cat"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdout.readline()
    run(*f"ip link add name {LAST} type veth peer name far netns {process.pid}".split())
    return process


def let_go(last: subprocess.Popen[bytes]) -> None:
    """Ends the last namespace, and waits until the kernel has got to it."""
    last.communicate()
    wait_until(lambda: LAST not in visible())


def main() -> None:
    order = json.load(sys.stdin)
    up, down = mininet(order["mininet"]) if "mininet" in order else commands(order["up"], order["down"])
    let_go(last_namespace())  # so that what was before is not worked off meanwhile
    before = visible()
    began = time.monotonic()
    up()
    seconds = {"up": time.monotonic() - began}
    last = last_namespace()
    began = time.monotonic()
    down()
    wait_until(lambda: visible() <= before | {LAST})
    seconds["down"] = time.monotonic() - began
    seconds["whole"] = time.monotonic() - float(sys.argv[1])
    let_go(last)
    seconds["done"] = time.monotonic() - began
    json.dump(seconds, sys.stdout)


if __name__ == "__main__":
    main()
