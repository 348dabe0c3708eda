"""A lab compiled as far as its network or its plan, for tests that look at commands rather than at scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nscompile.checks import check
from nscompile.diagnostics import Diagnostics
from nscompile.including import assemble
from nscompile.lower import plan
from nscompile.resolve import resolve
from nscompile.source import Source

if TYPE_CHECKING:
    from nscompile.model import Topology
    from nscompile.plan import Plan


def resolved(lab: str, path: str = "lab.nsl") -> Topology:
    diagnostics = Diagnostics()
    topology = resolve(assemble(Source(path, lab), diagnostics), diagnostics)
    check(topology, diagnostics)
    assert not diagnostics.has_errors, [each.message for each in diagnostics.in_source_order()]
    return topology


def planned(lab: str, path: str = "lab.nsl") -> Plan:
    return plan(resolved(lab, path))
