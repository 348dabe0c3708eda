"""The guest's side of tests/machine.py: opens throwaway hosts, and does in them what comes in by the port.

A request is a line of JSON, a number and what to do; the answer bears the same number. Each is served in a thread of
its own, so that several hosts can be at work at once. What goes wrong here is on the guest's console and its end.
"""

from __future__ import annotations

import io
import json
import os
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

from host import Host

PORT = Path("/dev/vport0p1")


class Agent:
    def __init__(self) -> None:
        self._hosts: dict[int, Host] = {}
        self._numbers = count()

    def open(self) -> int:
        number = next(self._numbers)
        self._hosts[number] = Host().__enter__()
        return number

    def close(self, number: int) -> None:
        self._hosts.pop(number).__exit__(None, None, None)

    def run(self, number: int, command: list[str]) -> tuple[int, str, str]:
        done = self._hosts[number].run(*command, check=False)
        return done.returncode, done.stdout, done.stderr

    def put(self, path: str, text: str, mode: int) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")
        Path(path).chmod(mode)


def give_up(mishap: threading.ExceptHookArgs) -> None:
    threading.__excepthook__(mishap)
    os._exit(1)


def serve(agent: Agent, port: io.FileIO) -> None:
    answering, lock = io.BufferedWriter(port), threading.Lock()

    def answer(number: int, name: str, *arguments: Any) -> None:
        line = json.dumps([number, getattr(agent, name)(*arguments)])
        with lock:
            answering.write(line.encode() + b"\n")
            answering.flush()

    for request in io.BufferedReader(port):
        threading.Thread(target=answer, args=json.loads(request)).start()


if __name__ == "__main__":
    threading.excepthook = give_up
    while not PORT.exists():
        time.sleep(0.01)
    serve(Agent(), io.FileIO(PORT, "r+"))
