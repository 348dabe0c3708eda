"""The whole compiler: text to syntax to model to plan to scripts, one function a phase.

A phase that finds a mistake says so in `Diagnostics` and hands on what is whole; after the checks nothing goes on
unless the lab is sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.checks import check
from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.including import assemble
from nscompile.loading import about_file, load
from nscompile.lower import plan
from nscompile.optimize import optimize
from nscompile.plan import Firewall, Plan
from nscompile.progress import with_progress
from nscompile.records import dataclass
from nscompile.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Result:
    """The scripts by kind, none where the lab has an error, and what was found, in source order."""

    scripts: dict[str, str]
    diagnostics: list[Diagnostic]


def compile_lab(
    path: str, data: bytes, kinds: Sequence[str], firewall: str = "iptables", *, fast: bool = False
) -> Result:
    """The scripts of `kinds` (`up`, `down`) for the lab in `data`; `firewall`: `iptables` or `nft`, `fast`: `-O`."""
    diagnostics = Diagnostics()
    lab = _planned(path, data, Firewall(firewall), diagnostics)
    return Result(_rendered(lab, kinds, fast=fast) if lab else {}, diagnostics.in_source_order())


def _rendered(lab: Plan, kinds: Sequence[str], *, fast: bool) -> dict[str, str]:
    from nscompile.render import render  # noqa: PLC0415 - a lab with a mistake needs no Jinja: a sixth of the time

    whole = with_progress(optimize(lab) if fast else lab)
    return {kind: render(whole, kind) for kind in kinds}


def _planned(path: str, data: bytes, firewall: Firewall, diagnostics: Diagnostics) -> Plan | None:
    source = load(path, data, diagnostics)
    if source is None:
        return None
    program = assemble(source, diagnostics)
    if not program.statements and not diagnostics.has_errors:
        diagnostics.add(about_file(path, "NSL003", "the lab has no statement"))
    topology = resolve(program, diagnostics)
    check(topology, diagnostics)
    return None if diagnostics.has_errors else plan(topology, firewall)
