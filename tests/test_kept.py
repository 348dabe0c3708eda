"""What is kept between runs: never stale, never damaged, never anybody else's, and not needed."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nscompile import kept as module
from nscompile.kept import kept

ARTICLE = Path(__file__).parent.parent / "out" / "article"
VALUE = {"a": [1, ("b", None)]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def never() -> None:
    raise AssertionError("made anew")


def test_it_is_made_once(folder: Path) -> None:
    assert kept("it", "source", lambda: VALUE) == VALUE
    assert kept("it", "source", never) == VALUE
    assert len(list(folder.iterdir())) == 1


def test_it_is_made_anew_where_its_source_has_changed(folder: Path) -> None:
    kept("it", "source", lambda: VALUE)
    assert kept("it", "other source", lambda: "other") == "other"
    assert kept("it", "other source", never) == "other"
    assert len(list(folder.iterdir())) == 1


def test_a_damaged_file_is_made_anew_and_replaced(folder: Path) -> None:
    kept("it", "source", lambda: VALUE)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    cut = [whole[:length] for length in range(len(whole))]
    flipped = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(len(whole))]
    for data in (*cut, *flipped, whole + b"\0"):
        file.write_bytes(data)
        assert kept("it", "source", lambda: VALUE) == VALUE
        assert file.read_bytes() == whole


def test_a_file_without_the_right_digest_is_not_even_unmarshalled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept("it", "source", lambda: VALUE)
    (file,) = folder.iterdir()
    file.write_bytes(bytes(32) + marshal.dumps("hostile"))
    monkeypatch.setattr(marshal, "loads", lambda _data: never())
    assert kept("it", "source", lambda: VALUE) == VALUE


def test_it_is_made_every_time_where_nothing_can_be_written(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    assert kept("it", "source", lambda: 1) == 1
    assert kept("it", "source", lambda: 2) == 2


def test_what_another_process_left_unfinished_is_in_nobodys_way(folder: Path) -> None:
    folder.mkdir()
    (folder / f"it.{sys.implementation.cache_tag}.{os.getpid()}").write_bytes(b"half")
    for _ in range(2):
        kept("it", "source", lambda: VALUE)
    assert kept("it", "source", never) == VALUE
    assert len(list(folder.iterdir())) == 1


def compiled(**env: str) -> subprocess.Popen[str]:
    """A process that compiles the article, and then tells what it has loaded and which files it opened."""
    code = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "from nscompile.cli import main\n"
        f"main([{str(ARTICLE / 'lab.nsl')!r}], standalone_mode=False)\n"
        "print(*sys.modules, file=sys.stderr); print(*opened, sep='\\n', file=sys.stderr)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_processes_that_start_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    expected = (ARTICLE / "up.sh").read_text(encoding="utf-8")
    for _ in range(2):
        started = [compiled(PYTHONPYCACHEPREFIX=str(tmp_path)) for _ in range(4)]
        assert {process.communicate()[0] for process in started} == {expected}
    names = sorted(path.name for path in tmp_path.rglob("nscompile/*") if path.is_file() and path.suffix != ".pyc")
    assert names == [f"{name}.{sys.implementation.cache_tag}.kept" for name in ("tables", "templates")]


def test_a_second_run_needs_no_lark(tmp_path: Path) -> None:
    loaded = [compiled(PYTHONPYCACHEPREFIX=str(tmp_path)).communicate()[1].split() for _ in range(2)]
    assert ["lark" in modules for modules in loaded] == [True, False]


def test_nothing_is_kept_but_beside_the_bytecode(tmp_path: Path) -> None:
    """What root would read from a home or from /tmp, somebody else could have written."""
    home = tmp_path / "home"
    home.mkdir()
    anywhere = {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    opened = compiled(PYTHONPYCACHEPREFIX=str(tmp_path / "bytecode"), **anywhere).communicate()[1].splitlines()
    kept_files = [Path(name) for name in opened if name.endswith(".kept")]
    assert {path.parent for path in kept_files} == {
        tmp_path / "bytecode" / Path(module.__file__).parent.relative_to("/") / ""
    }
    assert [name for name in opened if name.startswith(str(home))] == []
    assert list(home.iterdir()) == []
