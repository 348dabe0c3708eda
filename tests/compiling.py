"""A lab compiled as far as its plan, for tests that look at commands rather than at scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.checks import check
from nscompile.diagnostics import Diagnostics
from nscompile.including import assemble
from nscompile.lower import plan
from nscompile.resolve import resolve
from nscompile.source import Source

if TYPE_CHECKING:
    from nscompile.plan import Plan


def planned(lab: str, path: str = "lab.nsl") -> Plan:
    diagnostics = Diagnostics()
    topology = resolve(assemble(Source(path, lab), diagnostics), diagnostics)
    check(topology, diagnostics)
    assert not diagnostics.has_errors, [each.message for each in diagnostics.in_source_order()]
    return plan(topology)
