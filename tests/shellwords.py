"""What a shell makes of a line."""

from __future__ import annotations

import subprocess


def words(line: str) -> list[str]:
    """The words of a command's line, after quotes, backslashes and `$` were read."""
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {line}"], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().split("\0")[:-1]
