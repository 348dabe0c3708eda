"""The phases know only what stands before them: the table below, and nothing else, may be imported."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import nscompile

PACKAGE = Path(nscompile.__file__).parent
PHASES = {
    "__init__": set(),
    "source": set(),
    "resources": set(),
    "diagnostics": {"source"},
    "loading": {"diagnostics", "source"},
    "report": {"diagnostics", "source"},
    "records": set(),
    "kept": set(),
    "syntax": {"source"},
    "tables": {"kept", "resources"},
    "automaton": {"tables", "syntax", "source"},
    "parser": {"automaton", "syntax", "diagnostics", "source"},
    "including": {"parser", "loading", "syntax", "diagnostics", "source"},
    "model": {"source"},
    "resolve": {"including", "syntax", "model", "diagnostics", "source"},
    "checks": {"model", "diagnostics", "source"},
    "plan": {"source"},
    "lower": {"model", "plan", "source"},
    "optimize": {"plan"},
    "progress": {"plan"},
    "render": {"plan", "kept", "resources"},
    "compiler": {
        *("loading", "including", "resolve", "checks", "lower", "optimize", "progress", "render"),
        *("diagnostics", "plan"),
    },
    "cli": {"compiler", "loading", "report", "resources"},
    "__main__": {"cli"},
}
# The standard library's dataclasses would do as well, but for the time that they take.
THIRD_PARTY = {"lark": {"tables"}, "jinja2": {"render"}, "click": {"cli"}, "dataclasses": {"records"}}
MODULES = sorted(PACKAGE.rglob("*.py"))


def _phase(module: Path) -> str:
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def _imported(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_phase_may(module: Path) -> None:
    phase = _phase(module)
    inside = {name.split(".")[1] for name in _imported(module) if name.startswith("nscompile.")}
    assert inside - {phase, "records", "__version__"} <= PHASES[phase]
    outside = {name.split(".")[0] for name in _imported(module)}
    assert {library for library, users in THIRD_PARTY.items() if library in outside and phase not in users} == set()


def test_the_table_names_every_phase_and_no_more() -> None:
    assert {_phase(module) for module in MODULES} == set(PHASES)


def test_the_whole_pipeline_fits_a_screen() -> None:
    compiler = (PACKAGE / "compiler.py").read_text(encoding="utf-8")
    assert len(compiler.splitlines()) <= 60
