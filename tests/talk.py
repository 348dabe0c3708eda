"""Real sockets in a throwaway host: a server that tells whoever asks under which address it sees them, and a client.

A place is a namespace of the lab, or `(host)`, or `(internet)`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from host import Host

# One socket for both families, so that IPv4 addresses show as IPv6 ones that they are mapped to.
_SERVER = """
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
server = socket.socket(socket.AF_INET6, kind)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
server.bind(("::", int(sys.argv[2])))
if sys.argv[1] == "tcp":
    server.listen()
print("ready", flush=True)
while True:
    if sys.argv[1] == "tcp":
        client, (address, *_) = server.accept()
        client.sendall(address.encode())
        client.close()
    else:
        _, client = server.recvfrom(100)
        server.sendto(client[0].encode(), client)
"""

_CLIENT = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
client = socket.socket(family, socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM)
client.settimeout(1)
client.connect((sys.argv[2], int(sys.argv[3])))
if sys.argv[1] == "udp":
    client.send(b"?")
print(client.recv(100).decode().removeprefix("::ffff:"))
"""


def _at(host: Host, place: str, *command: str) -> list[str]:
    if place == "(internet)":
        return host.enter_internet(*command)
    return host.enter(*command) if place == "(host)" else host.enter("ip", "netns", "exec", place, *command)


@contextmanager
def serving(host: Host, place: str, protocol: str, port: int) -> Iterator[None]:
    command = _at(host, place, sys.executable, "-IS", "-c", _SERVER, protocol, str(port))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout
        try:
            assert server.stdout.readline() == b"ready\n"
            yield
        finally:
            server.kill()


def ask(host: Host, place: str, protocol: str, target: str, port: int) -> str | None:
    """The address under which the server has seen the client; None where no answer came within a second."""
    command = _at(host, place, sys.executable, "-IS", "-c", _CLIENT, protocol, target, str(port))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.strip() or None


def ask_patiently(host: Host, place: str, protocol: str, target: str, port: int) -> str | None:
    """The same with four seconds: for the first two a new interface has no IPv6 address to ask its neighbours from."""
    deadline = time.monotonic() + 4
    while (seen := ask(host, place, protocol, target, port)) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    return seen
