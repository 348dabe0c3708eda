"""The command line. Imports stand inside the command bodies, so that `--help` and completion load no library but click.

`nscompile LAB` is what people type, so compiling is the command that is meant when none is named; `explain` is the
only other one.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nscompile import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

KINDS = ("up", "down")


class _LabCommand(click.Group):
    """A group whose `compile` command need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help", "-h", "--version"}:
            args = ["compile", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] LAB")
        formatter.write_usage(ctx.command_path, "explain [CODE]")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [option.get_help_record(ctx) for option in (*compile_command.params, *self.get_params(ctx))]
        with formatter.section("Options"):
            formatter.write_dl([record for record in own if record is not None])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*super().shell_complete(ctx, incomplete), *compile_command.shell_complete(ctx, incomplete)]


class _Kinds(click.ParamType):  # type: ignore[type-arg]  # generic in click 8.5, not in 8.1
    """A comma list of scripts."""

    name = "SCRIPT[,SCRIPT…]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        kinds = tuple(dict.fromkeys(str(value).split(",")))
        for kind in kinds:
            if kind not in KINDS:
                self.fail(f"no script is called {kind!r}; there is {' and '.join(KINDS)}", param, ctx)
        return kinds

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return click.Choice(KINDS).shell_complete(ctx, param, incomplete)


@click.group(cls=_LabCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nscompile")
def main() -> None:
    """Compile a network lab to a plain shell script.

    LAB is a file in the topology language, or - for standard input. The script that builds the lab goes to
    standard output; run it as root with sh on any Linux host.

    `nscompile explain CODE` tells what a diagnostic means, `nscompile explain` lists them all.
    """


@main.command("compile", hidden=True)
@click.argument("lab", type=click.Path(allow_dash=True))
@click.option("--emit", type=_Kinds(), metavar="SCRIPTS", help="The scripts to write: up, down, or up,down.")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write up.sh and down.sh into DIR, both or neither.",
)  # fmt: skip
@click.option(
    "-O", "--optimize", is_flag=True, help="Build the same network faster: by fewer processes, and with nothing moved."
)
@click.option(
    "--firewall",
    type=click.Choice(["iptables", "nft"]),
    default="iptables",
    help="The tool for NAT, published ports and policy.",
)
@click.option(
    "--diagnostics", type=click.Choice(["text", "json"]), default="text", help="How mistakes are reported on stderr."
)
def compile_command(
    lab: str, emit: tuple[str, ...] | None, output: Path | None, optimize: bool, firewall: str, diagnostics: str
) -> None:
    # A compiler ends before it has made any rubbish, and looking for it takes a quarter of the time of a large lab.
    gc.disable()
    from nscompile import report
    from nscompile.compiler import Result, compile_lab
    from nscompile.loading import unreadable

    if output is None and emit is not None and len(emit) > 1:
        raise click.UsageError("several scripts cannot share standard output; give a folder with -o DIR")
    path = "<stdin>" if lab == "-" else lab
    try:
        data = sys.stdin.buffer.read() if lab == "-" else Path(lab).read_bytes()
    except OSError as error:
        result = Result({}, [unreadable(path, error)])
    else:
        result = compile_lab(path, data, emit or (("up",) if output is None else KINDS), firewall, fast=optimize)
    found = result.diagnostics
    sys.stderr.write(report.as_json(found) if diagnostics == "json" else report.as_text(found))
    if not result.scripts:
        sys.exit(1)
    if output is None:
        (text,) = result.scripts.values()
        # Bytes: a terminal's encoding and Windows' line ends have no say in what a script is.
        sys.stdout.buffer.write(text.encode())
    else:
        try:
            _write_all(output, {f"{kind}.sh": text for kind, text in result.scripts.items()})
        except OSError as error:
            _fail(f"{output}: {(error.strerror or str(error)).lower()}")


def _write_all(folder: Path, texts: dict[str, str]) -> None:
    """Write every file or none: all are complete beside their places before the first is put there."""
    from tempfile import TemporaryDirectory

    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".nscompile-", dir=folder) as staging:
        for name, text in texts.items():
            staged = Path(staging, name)
            staged.write_text(text, encoding="utf-8")
            staged.chmod(0o755)
        for name in texts:
            Path(staging, name).replace(folder / name)


def _fail(message: str) -> None:
    click.echo(f"nscompile: {message}", err=True)
    sys.exit(1)


def _codes(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> Sequence[str]:
    return [code for code in _pages() if code.startswith(incomplete.upper())]


@main.command("explain")
@click.argument("code", required=False, shell_complete=_codes)
def explain_command(code: str | None) -> None:
    """Tell what the diagnostic CODE means, or list all codes."""
    pages = _pages()
    if code is None:
        for name, page in pages.items():
            title = page.read_text(encoding="utf-8").splitlines()[0]
            click.echo(f"{name}  {title.partition(': ')[2]}")
    elif code.upper() in pages:
        click.echo(pages[code.upper()].read_text(encoding="utf-8"), nl=False)
    else:
        _fail(f"no diagnostic has the code {code}; `nscompile explain` lists them")


def _pages() -> dict[str, Path]:
    from nscompile.resources import folder

    return {page.stem: page for page in sorted((folder("grammar") / "errors").glob("NSL*.md"))}
