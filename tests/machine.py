"""A second kernel for the live tests: Debian's own, which has all that the kernel of a small machine may lack.

It runs in qemu, whose processor is a program: no hardware is asked for, so it runs wherever the tests do. The guest has
no network card and no disk; its files are those of tests/image.py, in its memory. One line leads in, a port that
tests/agent.py answers. It dies with the thread that started it.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from concurrent import futures
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import image
from compiling import planned
from host import AnyHost

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from nscompile.plan import Need

KERNEL = Path(__file__).parent.parent / ".kernel"
QEMU = "qemu-system-x86_64"
SECONDS = 150  # for an answer: more than a command may take

# A translated instruction is found again by its address, so addresses that change from one process to the next cost
# four times the time (norandmaps). An attacker who is not there needs no defence, and no reader waits for RCU in vain.
_COMMAND_LINE = (
    "console=ttyS0 quiet panic=-1 norandmaps nokaslr mitigations=off init_on_alloc=0 rcupdate.rcu_expedited=1"
)


def missing() -> list[str]:
    """What a machine needs and this one lacks; tests/run installs it."""
    lacking = image.missing() + [tool for tool in (QEMU, "setpriv") if shutil.which(tool) is None]
    return lacking if KERNEL.exists() else [*lacking, "tests/fetch-kernel"]


class Machine:
    """Context manager; the guest boots while this process goes on, and the first question waits for it."""

    def __init__(self, folder: Path) -> None:
        """`folder` is for the image and the console's log."""
        self._folder = folder
        self._console = folder / "console"
        self._numbers = count()
        self._asked: dict[int, futures.Future[Any]] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        (kernel,) = (KERNEL / "boot").glob("vmlinuz-*")
        (modules,) = (KERNEL / "lib" / "modules").iterdir()
        image.write(self._folder / "image", modules)
        # fmt: off
        command = [
            "setpriv", "--pdeathsig", "KILL",
            QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-machine", "q35", "-cpu", "qemu64", "-smp", "2", "-m", "1024", "-accel", "tcg,thread=multi,tb-size=512",
            "-kernel", str(kernel), "-initrd", str(self._folder / "image"), "-append", _COMMAND_LINE,
            "-serial", f"file:{self._console}",
            "-chardev", "stdio,id=port", "-device", "virtio-serial", "-device", "virtserialport,chardev=port",
        ]
        # fmt: on
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        (self._folder / "image").unlink()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream
            stream.close()

    def ask(self, what: str, *arguments: Any) -> Any:
        """Has the agent do something; threads may ask at the same time."""
        answer: futures.Future[Any] = futures.Future()
        assert self._process.stdin
        with self._lock:
            number = next(self._numbers)
            self._asked[number] = answer
            self._process.stdin.write(json.dumps([number, what, *arguments]) + "\n")
            self._process.stdin.flush()
        done, _ = futures.wait([answer], SECONDS)
        assert done, f"no answer to {what}\n{self._console.read_text(errors='replace')}"
        return answer.result()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            number, result = json.loads(line)
            self._asked.pop(number).set_result(result)
        with self._lock:
            lost = list(self._asked.values())
        for answer in lost:
            answer.set_exception(EOFError(f"the guest has ended\n{self._console.read_text(errors='replace')}"))


class GuestHost(AnyHost):
    """A throwaway host inside a machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def __enter__(self) -> Self:
        self._number = self._machine.ask("open")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._machine.ask("close", self._number)

    def share(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self._machine.ask("put", str(path), path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777)

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, *self._machine.ask("run", self._number, command))


def lacks(lab: str) -> list[str]:
    """What a lab needs that this machine's kernel does not have, as its up.sh would find."""
    return [need.what for need in planned(lab).needs() if not _has(need)]


@functools.cache
def _has(need: Need) -> bool:
    return subprocess.run(["unshare", "--net", *need.trial], capture_output=True, check=False).returncode == 0
