"""Plan to text, through the templates in `templates/`; the only module that knows Jinja.

Quoting is refused, not remembered: whatever a template prints must be an integer or have passed through a filter that
marks it as safe where it stands. A forgotten filter is an error at the first compile, not a hole in a script.
"""

from __future__ import annotations

import re
import textwrap
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2.compiler
from jinja2 import BaseLoader, Environment, StrictUndefined, Template

from nscompile import __version__
from nscompile.kept import kept
from nscompile.plan import STATE, FileContents, Kind
from nscompile.resources import folder

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from types import CodeType

    from nscompile.plan import Command, Plan, Step, Undo

# A word that no shell reads as anything but itself; a lone `!` is one wherever it is not the first word.
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@%+,-]+|!")
# What single quotes cannot hold, or would make shellcheck ask whether it was not meant to be expanded.
_FOR_DOUBLE = re.compile(r"['$`]")


class Safe(str):
    """Text that may stand in a script as it is."""

    __slots__ = ()


class UnquotedError(TypeError):
    """A template printed a value that no filter has made safe."""


def render(plan: Plan, script: str) -> str:
    """The text of one script of the plan, by the name of its template: `up` or `down`."""
    return (
        _environment()
        .get_template(f"{script}.sh.j2")
        .render(
            plan=plan,
            labs=STATE,
            version=__version__,
            script=f"{script}.sh",
            namespaces=[name for (name,) in plan.names(Kind.NAMESPACE)],
            rules=plan.names(Kind.RULE),
            passages=plan.names(Kind.PASSAGE),
            settings=[key for (key,) in plan.names(Kind.SETTING)],
            loans=[name for (name,) in plan.names(Kind.LOAN)],
            files=[path for (path,) in plan.names(Kind.FILE)],
            covered=sorted({path.rpartition("/")[2] for (path,) in plan.names(Kind.FILE)}),
            programs=[step for step in plan.steps if step.background],
            written=batches if plan.optimized else commands,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=_Loader(),
        undefined=StrictUndefined,
        finalize=_only_safe,
        autoescape=False,  # noqa: S701 - shell is not HTML; `_only_safe` is the stricter rule
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "sh": shell,
        "comment": comment,
        "comments": comments,
        "names": names,
        "rows": rows,
        "undos": undos,
        "rollback": rollback,
        "note": note,
        "called": called,
    }
    return environment


class _Loader(BaseLoader):
    """Loads templates that were compiled in an earlier run, since compiling them takes longer than all else: 17 ms."""

    def load(self, environment: Environment, name: str, globals: MutableMapping[str, Any] | None = None) -> Template:  # noqa: A002
        return Template.from_code(environment, _compiled(environment)[name], environment.make_globals(globals))


def _compiled(environment: Environment) -> dict[str, CodeType]:
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder("templates").glob("*.j2"))}
    # What Jinja makes of a template depends on Jinja itself, and on the filters below.
    jinja = Path(jinja2.compiler.__file__).stat()
    made_from = repr([texts, jinja.st_mtime_ns, jinja.st_size, Path(__file__).read_text(encoding="utf-8")])
    codes: dict[str, CodeType] = kept(
        "templates", made_from, lambda: {name: environment.compile(text, name) for name, text in texts.items()}
    )
    return codes


def _only_safe(value: Any) -> Safe | int:
    if isinstance(value, (Safe, int)):
        return value
    raise UnquotedError(repr(value))


def shell(value: str | Command) -> Safe:
    """A word, or the words of a command, quoted for a shell where they must be."""
    return Safe(_word(value) if isinstance(value, str) else " ".join(map(_word, value)))


# Typed, since a FileContents is equal to the word that is its path.
@lru_cache(maxsize=None, typed=True)
def _word(word: str) -> str:
    return f'"$(cat {_quoted(word)})"' if isinstance(word, FileContents) else _quoted(word)


def _quoted(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    return '"' + re.sub(r'(["$\\`])', r"\\\1", word) + '"' if _FOR_DOUBLE.search(word) else f"'{word}'"


def commands(steps: Iterable[Step]) -> Safe:
    """The steps' commands, a line each; one text for the template, since a lab may have a million."""
    return Safe("\n".join([" ".join(map(_word, step.do)) + _redirected(step) for step in steps]))


def batches(steps: Iterable[Step]) -> Safe:
    """The steps' commands, those of one tool in one namespace that follow each other as lines for one process of it."""
    blocks = [_share(share, list(own)) for share, own in groupby(steps, key=lambda step: step.share)]
    if len(blocks) > 1:
        blocks.append("together")
    return Safe("\n".join(blocks))


def _share(share: int, steps: list[Step]) -> str:
    """What one shell does: the script itself, or one beside it."""
    text = "\n".join([_batch(process, list(own)) for process, own in groupby(steps, key=_process)])
    return f'{{\nshare\n{text}\n}} &\nworkers="$workers$! "' if share else text


# How a tool is told to read commands of its own, a line each.
_READERS = {
    "ip": ("ip", "-batch", "-"),
    "bridge": ("bridge", "-batch", "-"),
    "tc": ("tc", "-batch", "-"),
    "nft": ("nft", "-f", "-"),
    "iptables": ("iptables-restore", "--noflush"),
    "ip6tables": ("ip6tables-restore", "--noflush"),
}


def _process(step: Step) -> tuple[str | None, Command]:
    """What runs a step, and others like it that follow: the namespace, and a command that takes theirs."""
    tool, *words = step.command
    if tool == "sysctl":
        return step.namespace, (tool,)
    if tool not in _READERS or not all(map(_PLAIN.fullmatch, words)) or (tool.endswith("tables") and words[0] != "-A"):
        return step.namespace, step.command
    reader, *options = _READERS[tool]
    return step.namespace, (reader, *(["-6"] if words[0] == "-6" else []), *options)


def _batch(process: tuple[str | None, Command], steps: list[Step]) -> str:
    namespace, reader = process
    inside = f"nsenter --net=/run/netns/{namespace} " if namespace else ""
    if reader == ("sysctl",):
        return inside + shell(("sysctl", *(word for step in steps for word in step.command[1:])))
    if len(steps) == 1:
        return inside + shell(steps[0].command) + _redirected(steps[0])
    lines = [" ".join(step.command[2 if "-6" in reader else 1 :]) for step in steps]
    if reader[0].endswith("-restore"):
        lines = ["*filter", *lines, "COMMIT"]
    return "\n".join([f"{inside}{shell(reader)} <<end", *lines, "end"])


def _redirected(step: Step) -> str:
    """Where a command reads and writes, and whether the script goes on beside it."""
    source = f" <{_quoted(step.stdin)}" if step.stdin else ""
    sink = f" >{_quoted(step.stdout)}" if step.stdout else ""
    here = "\n".join([" <<'end'", *step.text, "end"]) if step.text else ""
    return source + sink + here + (" 2>&1 &" if step.background else "")


def comment(value: str) -> Safe:
    """The rest of a comment's line: whatever could end it, or move a terminal's cursor, is a replacement character."""
    text = value.expandtabs(4)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return Safe(text)


def comments(lines: Iterable[str]) -> Safe:
    """Lines of a comment, indented like a quotation."""
    return Safe("\n".join(f"#   {comment(line)}".rstrip() for line in lines))


def names(value: Iterable[str]) -> Safe:
    """A list of words inside double quotes, its lines joined so that one space stands between any two words."""
    lines = textwrap.wrap(" ".join(map(_word, value)), 100, break_long_words=False, break_on_hyphens=False)
    return Safe(" \\\n".join(lines))


def rows(table: Iterable[tuple[str, ...]]) -> list[str]:
    """The rows of a table as lines with their columns aligned."""
    cells = list(table)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def called(rule: Command) -> str:
    """What a message calls a rule: the command that would add it."""
    return " ".join(["rule", *("-A" if word == "-C" else "add" if word == "list" else word for word in rule)])


# The files that the kernel changes when a setting is written: devinet_sysctl_forward in net/ipv4/devinet.c, and
# addrconf_fixup_forwarding in net/ipv6/addrconf.c.
_CHANGED = {
    "net.ipv4.ip_forward": ("ipv4/ip_forward", "ipv4/conf/*/forwarding", "ipv4/conf/all/accept_redirects"),
    "net.ipv6.conf.all.forwarding": ("ipv6/conf/all/forwarding", "ipv6/conf/*/forwarding"),
}


def note(setting: str) -> Safe:
    """The command that notes a setting with the files that change with it."""
    files = [f"/proc/sys/net/{name}" for name in _CHANGED[setting]]
    return Safe(" \\\n        ".join([f"note {_word(setting)}", *files]))


# The functions of the prelude that tell a thing of the lab's from somebody else's of the same name.
_GUARDS = {Kind.NAMESPACE: "is_ours", Kind.INSIDE: "is_ours", Kind.FILE: "is_link"}


def undos(values: Iterable[Undo]) -> Safe:
    """Commands of the teardown; namespaces that follow each other are removed by one process."""
    lines: list[str] = []
    for is_namespace, run in groupby(values, key=lambda value: value.kind is Kind.NAMESPACE):
        undone = list(run)
        if is_namespace and len(undone) > 1:
            lines += ["only_ours <<end | ip -force -batch -", *(shell(value.command[1:]) for value in undone), "end"]
        else:
            lines += map(_undo, undone)
    return Safe("\n".join(lines))


def rollback(values: Iterable[Undo]) -> Safe:
    """The same as part of a function that few will read: no list of the namespaces."""
    runs = groupby(values, key=lambda value: value.kind is Kind.NAMESPACE)
    lines = [line for is_namespace, run in runs for line in (["delete_ours"] if is_namespace else map(_undo, run))]
    return Safe("\n".join(f"    {line}" for line in lines))


def _undo(value: Undo) -> str:
    """A namespace, what is inside, or a file is removed only if it is the lab's own."""
    guard = _GUARDS.get(value.kind)
    return (f"{guard} {_word(value.name[0])} && " if guard else "") + shell(value.command)
