"""Finds the data folders `grammar` and `templates`: inside an installed package, beside it in a checkout.

`Path(__file__)` rather than importlib.resources: the package is never run from a zip, and start-up counts.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
