"""Syntax to model: settles every name, address and default, and reports what cannot be settled.

Order of statements carries no meaning, so each step sees the whole lab: declare what there is, read what is written,
draw what is automatic, then build.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from nscompile.model import Topology
from nscompile.resolve import bridges, nodes
from nscompile.resolve.expand import expand
from nscompile.resolve.interfaces import settle
from nscompile.resolve.policy import policies
from nscompile.resolve.publish import publications
from nscompile.resolve.scope import declare

if TYPE_CHECKING:
    from nscompile.diagnostics import Diagnostics
    from nscompile.parser import Program


def resolve(program: Program, diagnostics: Diagnostics) -> Topology:
    scope = declare(expand(program, diagnostics), program.lost, diagnostics)
    lab = scope.lab.name.text if scope.lab else _stem(program.source.path)
    all_bridges = {name: bridges.bridge(statement, scope) for name, statement in scope.bridges.items()}
    interfaces = settle(lab, all_bridges, scope)
    return Topology(
        name=lab,
        source=program.source,
        namespaces=nodes.namespaces(interfaces, all_bridges, scope),
        bridges=tuple(all_bridges.values()),
        attachments=tuple(interfaces.attachments),
        links=tuple(interfaces.links),
        uplinks=tuple(interfaces.uplinks),
        masquerades=bridges.masquerades(interfaces, all_bridges, scope),
        forwards=nodes.forwards(interfaces, all_bridges, scope),
        publications=publications(interfaces, all_bridges, scope),
        policies=policies(scope),
        damaged=frozenset(scope.damaged | (program.lost & scope.nodes.keys())),
    )


def _stem(path: str) -> str:
    """The lab's name where it is not given: the file's stem, in the letters that a name may have."""
    stem = PurePath(path).stem.lstrip("-.")
    return "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "-" for char in stem) or "lab"
