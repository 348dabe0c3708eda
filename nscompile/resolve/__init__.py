"""Syntax to model: settles every name, address and default, and reports what cannot be settled.

Order of statements carries no meaning, so each step sees the whole lab: declare what there is, read what is written,
draw what is automatic, then build.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from nscompile.model import Topology
from nscompile.resolve import bridges, nodes, services
from nscompile.resolve.defaults import with_defaults
from nscompile.resolve.devices import devices
from nscompile.resolve.expand import expand
from nscompile.resolve.interfaces import settle
from nscompile.resolve.policy import policies
from nscompile.resolve.publish import publications
from nscompile.resolve.scope import declare

if TYPE_CHECKING:
    from nscompile.diagnostics import Diagnostics
    from nscompile.including import Program


def resolve(program: Program, diagnostics: Diagnostics) -> Topology:
    expansion = expand(program.statements, diagnostics)
    scope = declare(with_defaults(expansion.statements, diagnostics), program.lost | expansion.lost, diagnostics)
    lab = scope.lab.name.text if scope.lab else _stem(program.sources[0].path)
    all_bridges = {name: bridges.bridge(statement, scope) for name, statement in scope.bridges.items()}
    interfaces = settle(lab, all_bridges, scope)
    all_devices = devices(lab, interfaces, all_bridges, scope)
    return Topology(
        name=lab,
        sources=program.sources,
        namespaces=nodes.namespaces(interfaces, all_bridges, scope),
        bridges=tuple(all_bridges.values()),
        attachments=tuple(interfaces.attachments),
        links=tuple(interfaces.links),
        uplinks=tuple(interfaces.uplinks),
        devices=all_devices,
        masquerades=bridges.masquerades(interfaces, all_bridges, scope),
        forwards=nodes.forwards(interfaces, all_bridges, scope),
        damaged=frozenset(scope.damaged | {name for name in scope.nodes if scope.is_damaged(name)}),
        programs=services.programs(scope),
        name_servers=services.name_servers(scope),
        hosts=services.hosts(scope),
        publications=publications(interfaces, all_bridges, scope),
        policies=policies(scope),
    )


def _stem(path: str) -> str:
    """The lab's name where it is not given: the file's stem, in the letters that a name may have."""
    stem = PurePath(path).stem.lstrip("-.")
    return "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "-" for char in stem) or "lab"
