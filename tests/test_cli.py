"""The command line, as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nscompile import __version__

ARTICLE = Path(__file__).parent.parent / "out" / "article"
MISSPELT = "bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br1\n"


def nscompile(
    *arguments: str, stdin: bytes = b"", cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "nscompile", *arguments],
        input=stdin, capture_output=True, check=False, cwd=cwd, env={**os.environ, **(env or {})},
    )  # fmt: skip
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_the_up_script_goes_to_standard_output() -> None:
    done = nscompile(str(ARTICLE / "lab.nsl"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (ARTICLE / "up.sh").read_text(encoding="utf-8")


def test_emit_names_another_script() -> None:
    assert nscompile(str(ARTICLE / "lab.nsl"), "--emit", "down").stdout == (ARTICLE / "down.sh").read_text("utf-8")


def test_output_writes_every_script_as_an_executable_file(tmp_path: Path) -> None:
    done = nscompile("-o", str(tmp_path / "new" / "folder"), str(ARTICLE / "lab.nsl"))
    written = sorted((tmp_path / "new" / "folder").iterdir())
    assert (done.returncode, done.stdout) == (0, "")
    assert [path.name for path in written] == ["down.sh", "up.sh"]
    assert all(os.access(path, os.X_OK) for path in written)


def test_output_leaves_old_scripts_alone_when_the_lab_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "up.sh").write_text("old")
    (tmp_path / "lab.nsl").write_text(MISSPELT)
    done = nscompile(str(tmp_path / "lab.nsl"), "-o", str(tmp_path))
    assert done.returncode == 1
    assert (tmp_path / "up.sh").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lab.nsl", "up.sh"]


def test_two_scripts_on_one_output_are_refused() -> None:
    done = nscompile(str(ARTICLE / "lab.nsl"), "--emit", "up,down")
    assert (done.returncode, done.stdout) == (2, "")
    assert "several scripts cannot share standard output; give a folder with -o DIR" in done.stderr


def test_an_unknown_script_is_refused_with_those_there_are() -> None:
    done = nscompile(str(ARTICLE / "lab.nsl"), "--emit", "sideways")
    assert done.returncode == 2
    assert "no script is called 'sideways'; there is up and down" in done.stderr


def test_standard_input_is_a_lab_too() -> None:
    done = nscompile("-", stdin=(ARTICLE / "lab.nsl").read_bytes())
    assert done.stdout == (ARTICLE / "up.sh").read_text(encoding="utf-8")
    wrong = nscompile("-", stdin=MISSPELT.encode())
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("<stdin>:2:27: error[NSL101]: ")


def test_a_mistake_leaves_standard_output_empty(tmp_path: Path) -> None:
    (tmp_path / "lab.nsl").write_text(MISSPELT)
    done = nscompile("lab.nsl", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("lab.nsl:2:27: error[NSL101]: no bridge is called `br1`\n")


def test_diagnostics_come_as_json_for_programs(tmp_path: Path) -> None:
    (tmp_path / "lab.nsl").write_text(MISSPELT)
    done = nscompile("lab.nsl", "--diagnostics", "json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr) == [
        {
            "code": "NSL101",
            "severity": "error",
            "message": "no bridge is called `br1`",
            "file": "lab.nsl",
            "line": 2,
            "column": 27,
            "end": 30,
            "label": "",
            "also": [],
            "notes": [],
            "help": "did you mean `br0`?",
        }
    ]
    assert json.loads(nscompile(str(ARTICLE / "lab.nsl"), "--diagnostics", "json").stderr) == []


@pytest.mark.parametrize(
    ("name", "data", "report"),
    [
        ("missing.nsl", None, "missing.nsl: error[NSL001]: no such file or directory\n"),
        (".", None, ".: error[NSL001]: is a directory\n"),
        ("empty.nsl", b"", "empty.nsl: error[NSL003]: the lab has no statement\n"),
        ("blank.nsl", b" \n\t\n# nothing yet\n", "blank.nsl: error[NSL003]: the lab has no statement\n"),
        (
            "latin1.nsl",
            b"lab a\nnode b # caf\xe9\n",
            "latin1.nsl: error[NSL002]: the file is not UTF-8: byte 0xe9 on line 2\n",
        ),
    ],
)
def test_a_bad_file_gets_one_line(tmp_path: Path, name: str, data: bytes | None, report: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    done = nscompile(name, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", report)
    as_json = nscompile(name, "--diagnostics", "json", cwd=tmp_path)
    assert [each["file"] for each in json.loads(as_json.stderr)] == [name]


def test_an_unreadable_file_gets_one_line(tmp_path: Path) -> None:
    """A loop of symbolic links, since root may read whatever its permissions say."""
    (tmp_path / "loop.nsl").symlink_to("loop.nsl")
    done = nscompile("loop.nsl", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "loop.nsl: error[NSL001]: too many levels of symbolic links\n"


def test_line_ends_and_byte_order_mark_make_no_difference(tmp_path: Path) -> None:
    text = (ARTICLE / "lab.nsl").read_bytes()
    for name, data in {"crlf": text.replace(b"\n", b"\r\n"), "bom": b"\xef\xbb\xbf" + text}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "lab.nsl").write_bytes(data)
        done = nscompile("lab.nsl", cwd=tmp_path / name)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (ARTICLE / "up.sh").read_text(encoding="utf-8")


def test_the_same_lab_compiles_to_the_same_bytes_anywhere(tmp_path: Path) -> None:
    lab = ARTICLE.parent / "two-bridges" / "lab.nsl"
    outputs = {
        nscompile(path, cwd=cwd, env={"PYTHONHASHSEED": seed}).stdout
        for path, cwd in ((str(lab), tmp_path), ("lab.nsl", lab.parent), ("../two-bridges/lab.nsl", ARTICLE))
        for seed in ("0", "1", "4242")
    }
    assert outputs == {lab.with_name("up.sh").read_text(encoding="utf-8")}


def test_version_and_help() -> None:
    assert nscompile("--version").stdout == f"nscompile, version {__version__}\n"
    shown = nscompile("--help").stdout
    assert "[OPTIONS] LAB" in shown
    for option in ("--emit", "--output DIR", "--diagnostics [text|json]"):
        assert option in shown
    assert nscompile().stdout == shown or nscompile().stderr == shown


def test_explain_lists_the_codes_and_prints_their_pages() -> None:
    listed = nscompile("explain").stdout.splitlines()
    page = nscompile("explain", "nsl101").stdout
    assert any(line.startswith("NSL101  ") for line in listed)
    assert page.startswith("NSL101: ")
    unknown = nscompile("explain", "NSL999")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == "nscompile: no diagnostic has the code NSL999; `nscompile explain` lists them\n"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("nscompile --em", "plain,--emit"),
        ("nscompile --emit d", "plain,down"),
        ("nscompile explain NSL10", "plain,NSL101"),
        ("nscompile exp", "plain,explain"),
    ],
)
def test_the_shell_completes_options_scripts_and_codes(words: str, offered: str) -> None:
    env = {"_NSCOMPILE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    code = "from nscompile.cli import main; main(prog_name='nscompile')"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    assert offered in done.stdout.splitlines()


def test_a_mistake_is_reported_without_loading_the_templates() -> None:
    code = "from nscompile.compiler import compile_lab; compile_lab('lab.nsl', b'lab', ['up'])"
    code += "; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "nscompile.compiler" in done.stdout.split()
    assert "jinja2" not in done.stdout.split()


def test_help_loads_neither_the_parser_nor_the_templates() -> None:
    code = "import sys; from nscompile.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "click" in done.stdout.split()
    assert not {"lark", "jinja2", "nscompile.compiler"} & set(done.stdout.split())
