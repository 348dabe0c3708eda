"""The scripts of `-O`: each case in optimized/ is a lab, a line `---`, and the body of the script that it must become.

`NSCOMPILE_UPDATE=1 pytest tests/test_optimize.py` writes the bodies anew; read the difference before committing it.
That such a script builds the network of the plain one, the kernel says.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from compiling import planned
from host import AnyHost, Host
from machine import GuestHost, Machine, lacks
from network import picture
from nscompile.cli import KINDS
from nscompile.compiler import compile_lab
from nscompile.optimize import PASSES, optimize
from test_live import broken_promises
from test_properties import statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    Hosts = SimpleQueue[AnyHost]

TESTS = Path(__file__).parent
CASES = sorted((TESTS / "optimized").glob("*.case"))
GALLERY = sorted((TESTS.parent / "out").glob("*/lab.nsl"))
WORKERS = 6
GUEST_WORKERS = 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_lab_becomes_exactly_this_body(case: Path) -> None:
    lab, _, expected = case.read_text(encoding="utf-8").partition("---\n")
    script = compile_lab("lab.nsl", lab.encode(), ("up",), fast=True).scripts["up"]
    found = script[script.index("# ---- 1. ") : script.rindex("\nwhole\n")]
    if os.environ.get("NSCOMPILE_UPDATE"):
        case.write_text(f"{lab}---\n{found}", encoding="utf-8")
    assert os.environ.get("NSCOMPILE_UPDATE") or found == expected


def test_every_pass_says_in_a_sentence_what_it_does() -> None:
    assert all(re.fullmatch(r"[A-Z][^\n]*\.", each.__doc__ or "") for each in PASSES)


@given(statements())
@settings(max_examples=60)
def test_what_takes_a_lab_back_is_the_same(lab: list[str]) -> None:
    """In whichever order it was built; but for pairs of which both ends are made in namespaces at once."""
    plain = planned("\n".join(lab))
    fast = optimize(plain)
    assert {step.undo for step in fast.steps} == {step.undo for step in plain.steps}
    assert fast.passing() == []


class Lab(NamedTuple):
    name: str
    text: str


def compiled(lab: Lab, folder: Path, *, fast: bool) -> Path:
    folder.mkdir()
    result = compile_lab("lab.nsl", lab.text.encode(), KINDS, fast=fast)
    for kind, text in result.scripts.items():
        (folder / f"{kind}.sh").write_text(text, encoding="utf-8")
    return folder


@contextmanager
def taken(hosts: Hosts) -> Iterator[AnyHost]:
    host = hosts.get()
    try:
        yield host
    finally:
        hosts.put(host)


def difference(lab: Lab, hosts: Hosts, folder: Path) -> str | None:
    """Builds a lab in both styles in one host, one after the other; in what they differ, or what is left of them."""
    pictures: list[list[str]] = []
    with taken(hosts) as host:
        before = host.state()
        for fast in (False, True):
            scripts = compiled(lab, folder / f"{lab.name}-{fast}", fast=fast)
            host.share(scripts)
            host.run("sh", str(scripts / "up.sh"))
            pictures.append(picture(host))
            promised = fast and (TESTS / "live" / f"{lab.name}.expect").exists()
            broken = broken_promises(host, lab.name) if promised else []
            host.run("sh", str(scripts / "down.sh"))
            if broken or host.state() != before:
                return f"{lab.name}, fast={fast}: {broken}, {set(host.state()) ^ set(before)}"
    plain, quick = pictures
    return f"{lab.name}: {sorted(set(plain) ^ set(quick))}" if plain != quick else None


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """As many as workers: most of the time they wait for the kernel to settle addresses."""
    with ExitStack() as stack:
        queue: Hosts = SimpleQueue()
        for _ in range(WORKERS):
            queue.put(stack.enter_context(Host()))
        yield queue


@pytest.fixture(scope="module")
def guests(machine: Machine) -> Iterator[Hosts]:
    with ExitStack() as stack:
        queue: Hosts = SimpleQueue()
        for _ in range(GUEST_WORKERS):
            queue.put(stack.enter_context(GuestHost(machine)))
        yield queue


def differences(labs: list[Lab], hosts: Hosts, workers: int, folder: Path) -> list[str]:
    with ThreadPoolExecutor(workers) as pool:
        return [found for found in pool.map(lambda lab: difference(lab, hosts, folder), labs) if found]


def labs_of(paths: list[Path]) -> list[Lab]:
    return [
        Lab(path.parent.name if path.suffix == ".nsl" else path.stem, path.read_text("utf-8").partition("---\n")[0])
        for path in paths
    ]


def test_both_styles_build_the_same_network_and_keep_what_it_promises(hosts: Hosts, tmp_path: Path) -> None:
    labs = [lab for lab in labs_of([*GALLERY, *CASES]) if not lacks(lab.text)]
    assert len(labs) >= 14
    assert differences(labs, hosts, WORKERS, tmp_path) == []


def test_both_styles_build_the_same_network_under_the_second_kernel(guests: Hosts, tmp_path: Path) -> None:
    labs = [lab for lab in labs_of([*GALLERY, *CASES]) if lacks(lab.text)]
    assert len(labs) >= 4
    assert differences(labs, guests, GUEST_WORKERS, tmp_path) == []


def clear_of_the_host(lab: list[str]) -> str:
    """A random lab in prefixes that the throwaway host does not have, with a way out that it has."""
    text = "\n".join(lab).replace("via eth9", "via enp0s3")
    return re.sub(r"\b(10\.|2001:db8:)(?=\d[.:])", r"\g<1>10", text)


@given(st.lists(statements().map(clear_of_the_host), min_size=WORKERS, max_size=WORKERS, unique=True))
@settings(max_examples=3, phases=[Phase.generate])
def test_both_styles_build_the_same_network_of_labs_that_nobody_wrote(hosts: Hosts, texts: list[str]) -> None:
    labs = [Lab(f"random{number}", text) for number, text in enumerate(texts)]
    with TemporaryDirectory() as folder:
        assert differences(labs, hosts, WORKERS, Path(folder)) == []


LARGE = "bridge br0 in switch net 10.50.0.0/16\nnode n[1..60] on br0\n"


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
def test_a_large_lab_says_on_a_terminal_how_far_it_is_and_nowhere_else(
    hosts: Hosts, tmp_path: Path, *, fast: bool
) -> None:
    scripts = compiled(Lab("large", LARGE), tmp_path / "large", fast=fast)
    watched, terminal = pty.openpty()
    with taken(hosts) as host:
        assert isinstance(host, Host)
        with subprocess.Popen(host.enter("sh", str(scripts / "up.sh")), stderr=terminal):
            os.close(terminal)
        seen = os.read(watched, 100_000).decode()
        os.close(watched)
        host.run("sh", str(scripts / "down.sh"))
        unseen = host.run("sh", str(scripts / "up.sh"))
        host.run("sh", str(scripts / "down.sh"))
    told = "up.sh: the lab lab is up; sh down.sh removes it"
    percents = [int(percent) for percent in re.findall(r"up\.sh: (\d+)% of the lab lab\r", seen)]
    assert len(percents) > 5
    assert percents == sorted(percents)
    assert seen.splitlines()[-1] == f"\033[K{told}"
    assert unseen.stderr == f"{told}\n"


def test_a_small_lab_has_nothing_to_say_of_that() -> None:
    for path in GALLERY:
        assert "progress" not in compile_lab("lab.nsl", path.read_bytes(), ("up",)).scripts["up"]
