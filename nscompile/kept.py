"""What takes long to work out from a file of the package and is the same at every run, kept beside the bytecode.

`__pycache__` is where Python itself keeps what it has compiled, and runs it without asking who wrote it: whoever may
write there may as well write the modules. So what is kept there can be trusted as far as the program itself, whoever
runs it, which is true of no folder in /tmp and, under sudo, of none in a home. It is data for `marshal`, as bytecode
is. Where the package's folder cannot be written to, everything is worked out anew.
"""

from __future__ import annotations

import marshal
import os
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_DIGEST = 32  # bytes


def kept(name: str, made_from: str, make: Callable[[], Any]) -> Any:
    """What `make` returns, or what it did when `made_from` was the same; made of what `marshal` knows."""
    place = _folder() / f"{name}.{sys.implementation.cache_tag}.kept"
    stamp = f"{sys.version}\n{made_from}".encode()
    with suppress(OSError):
        found = place.read_bytes()
        # One digest shows that it is made from the same and that it is whole.
        if found[:_DIGEST] == sha256(stamp + found[_DIGEST:]).digest():
            return marshal.loads(found[_DIGEST:])  # noqa: S302 - as trusted as the bytecode beside it
    made = make()
    data = marshal.dumps(made)
    with suppress(OSError):
        _write(place, sha256(stamp + data).digest() + data)
    return made


def _folder() -> Path:
    """Where this module's own bytecode is kept, `PYTHONPYCACHEPREFIX` included."""
    cached = __spec__.cached if __spec__ else None
    return Path(cached or __file__).parent


def _write(place: Path, data: bytes) -> None:
    """Write the file whole or not at all; of several processes at once, each has a draft of its own."""
    place.parent.mkdir(exist_ok=True, parents=True)
    draft = place.with_suffix(f".{os.getpid()}")
    try:
        with draft.open("xb") as file:
            file.write(data)
        draft.replace(place)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
