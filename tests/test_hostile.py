"""Input can never become code: whatever a lab holds is a diagnostic, or one literal argument of one command."""

from __future__ import annotations

import resource
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nscompile.cli import KINDS
from nscompile.compiler import compile_lab
from shellwords import words

if TYPE_CHECKING:
    from pathlib import Path

MEMORY = 500 * 2**20  # bytes
SECONDS = 60

# fmt: off
NASTY = (
    "$(touch /tmp/x)", "`id`", "';id;'", '";id;"', "\\", "\\\n", "\n", "\r", "\r\n", "\x00", "\x1b[2J", "\u202e",
    "\u2028", "\x85", "../", "/etc/passwd", "-rf", "--", "-", ".", "..", "*", "?", "~", "#", "&", "|", ">", "<", "!",
    "end", "EOF", "%s", "{{ 1 }}", "{% raw %}", "a b", "\t", "é", "中", "$HOME", "${IFS}", "=", ":", "0", "[1..3]",
    "[", "]",
)
# fmt: on
nasty = st.lists(st.sampled_from(NASTY) | st.text(max_size=4), min_size=1, max_size=4).map("".join)

PLACES = (
    "lab {}\nbridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0\n",
    "bridge {} in bridge\nnode a ip 192.0.2.1/24 on {}\n",
    "bridge br0 in {}\nnode a ip 192.0.2.1/24 on br0\n",
    "bridge br0 in bridge\nnode {} ip 192.0.2.1/24 on br0\n",
    "bridge br0 in bridge\nnode a ip {}/24 on br0\n",
    "bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 as {}\n",
    "bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 mac {}\n",
    "bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 route {} via 192.0.2.2\n",
    "bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 rule from {} table {}\n",
    "bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 rule iif {} table 7\n",
    'bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 sysctl net.ipv4.x="{}"\n',
    "bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 sysctl {}={}\n",
    "bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0\nuplink br0 ip 192.0.2.254/24 nat via {}\n",
    "node a\nnode b\nlink a:{} -- b\n",
    'bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 run "{}"\n',
    "bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 dns {}\n",
    "bridge br0 ip 192.0.2.254/24\nnode a on br0\npublish {} to a:80\npublish {}:81 to a:80\n",
    "bridge br0 ip 192.0.2.254/24\nnode a on br0\npublish 80/{} to {}:{}\n",
    "bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0\ndeny {} -> a\nallow a -> {} tcp {}\ndeny a -> * {}\n",
    "bridge br0 in bridge # {}\nnode a ip 192.0.2.1/24 on br0\n",
)


@given(place=st.sampled_from(PLACES), text=nasty, fast=st.booleans())
def test_what_is_nasty_is_refused_or_stays_one_word(place: str, text: str, *, fast: bool) -> None:
    lab = place.replace("{}", text)
    result = compile_lab("lab.nsl", lab.encode("utf-8", "surrogatepass"), KINDS, fast=fast)
    harmless = compile_lab("lab.nsl", place.replace("{}", "x1").encode(), KINDS, fast=fast)
    assert result.scripts or result.diagnostics
    for kind, script in result.scripts.items():
        header, code, body = _parts(script)
        assert all(line.startswith("#") for line in header)
        # The machinery is the template's own: what a lab can change there is lists of names, which are one word each.
        assert "touch" not in code
        for line in body:
            words = shlex.split(line, comments=True)
            assert not words or words[0] in {
                *("only_ours", "netns", "nsenter", "link", "address", "route", "rule", "*filter", "-A", "COMMIT"),
                "ip",
                "sysctl",
                "iptables",
                "is_ours",
                "let_pass",
                "let_pass_no_more",
                "restore",
                "is_link",
                "umask",
                "cat",
                "mkdir",
                "ln",
                "cd",
                "exec",
                "nameserver",
                "end",
                kind,
            }
        if harmless.scripts and not set(text) & set("[]{}#\\\n"):
            assert len(body) == len(_parts(harmless.scripts[kind])[2])


def _parts(script: str) -> tuple[list[str], str, list[str]]:
    """The header's comment lines, the machinery, and the commands of the body."""
    header, _, rest = script.partition("\n\nset -")
    code, _, body = rest.partition("\n# ---- 1. ")
    lines = [line for line in body.split("\n")[1:] if line and not line.startswith("#")]
    return header.split("\n"), code, lines[:-1]


@given(nasty)
def test_every_shell_word_of_a_value_comes_out_as_it_went_in(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    lab = f'bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 sysctl net.ipv4.x="{quoted}"\n'
    result = compile_lab("lab.nsl", lab.encode("utf-8", "surrogatepass"), ("up",))
    if result.scripts:
        lines = [line for line in result.scripts["up"].split("\n") if line.startswith("ip netns exec a sysctl ")]
        assert [words(line)[5:] for line in lines] == [[f"net.ipv4.x={text}"]]


@given(nasty)
def test_a_shell_in_the_node_is_given_exactly_the_command(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    lab = f'bridge br0 in bridge\nnode a ip 192.0.2.1/24 on br0 run "{quoted}"\n'
    result = compile_lab("lab.nsl", lab.encode("utf-8", "surrogatepass"), ("up",))
    if result.scripts:
        start, end = "exec setsid ip netns exec a ", " >/run/nscompile/lab/a-1.log 2>&1 &"
        (line,) = [line for line in result.scripts["up"].split("\n") if line.startswith(start)]
        assert line.endswith(end)
        assert words(line.removeprefix(start).removesuffix(end)) == ["sh", "-c", text]


@pytest.mark.parametrize(
    "lab",
    [
        "node " + "a" * 65536 + " on br0\n",
        "bridge br0 in b net 10.0.0.0/8\nnode n[1..999999999] on br0\n",
        "bridge br0 in b net 10.0.0.0/8\nnode n[" + "9" * 5000 + ".." + "9" * 6000 + "] on br0\n",
        "bridge br0 in b net 10.0.0.0/8\n" + "node n[1..99999] on br0\n" * 50,
        "bridge br0 in b\nnode n[1..99999][1..99999] on br0\n",
        "node a" + " {" * 32768 + "\n",
        "node a {\n" * 20000,
        "[" * 65536 + "\n",
        "node a[" + "1," * 32768 + "1] on br0\n",
        "bridge br0 in b " + "mtu 1400 " * 8192 + "\n",
        "x " * 32768 + "\n",
        '"' * 65536 + "\n",
        "\\\n" * 32768 + "\n",
        "#" + "\x1b" * 65536 + "\nnode a\n",
        "@\n" * 20000,
        "node a on br0\n" * 20000,
        "bridge br0 in b\nnode a ip " + ", ".join(["10.0.0.1/8"] * 8192) + " on br0\n",
    ],
    ids=lambda lab: lab[:24].encode("unicode_escape").decode(),
)
def test_no_size_makes_the_compiler_crash_hang_or_grow(lab: str, tmp_path: Path) -> None:
    (tmp_path / "lab.nsl").write_bytes(lab.encode())
    done = subprocess.run(
        [sys.executable, "-m", "nscompile", "lab.nsl"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert done.returncode in {0, 1}, done.stderr[-2000:]
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0 or b"error[NSL" in done.stderr
