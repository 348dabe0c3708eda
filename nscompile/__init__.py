"""nscompile: a compiler from a small topology language to plain shell.

The phases, one module each, are laid out in `nscompile.compiler`.
"""

__version__ = "0.1.0"
