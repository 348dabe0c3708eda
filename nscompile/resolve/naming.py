"""The names of interfaces that the lab does not give.

A name is drawn from what it joins, never from the order of statements. Where the natural name is longer than the
kernel allows, or two interfaces would want the same, it is Docker's form: `veth` and seven hexadecimal digits, drawn
from the lab, the node and the interface.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TypeAlias

from nscompile.records import dataclass, field
from nscompile.resolve.values import LONGEST_INTERFACE

# The node, the interface, and which end of its veth pair.
Key: TypeAlias = tuple[str, str, str]


@dataclass(slots=True)
class Names:
    """Collects every wish first and grants them all at once, since two equal wishes both give way.

    `taken` are the names that the lab gives to what stands on the host.
    """

    lab: str
    taken: set[str]
    _wishes: dict[Key, str | None] = field(default_factory=dict)

    def wish(self, node: str, interface: str, end: str, name: str | None) -> Key:
        """Ask for a name for one end of the veth pair of `node` and `interface`; None asks for Docker's form."""
        key = (node, interface, end)
        self._wishes[key] = name
        return key

    def grant(self) -> dict[Key, str]:
        wanted = Counter(name for name in self._wishes.values() if name is not None)
        wanted.update(self.taken)
        granted = {
            key: name
            for key, name in self._wishes.items()
            if name is not None and len(name) <= LONGEST_INTERFACE and wanted[name] == 1
        }
        taken = {*self.taken, *granted.values()}
        for key in sorted(self._wishes.keys() - granted.keys()):
            name = self._digest(key, taken)
            taken.add(name)
            granted[key] = name
        return granted

    def _digest(self, key: Key, taken: set[str]) -> str:
        node, interface, end = key
        # The port's name is drawn from (lab, node, interface) alone; another end adds what tells it apart.
        text = "/".join([self.lab, node, interface, *([] if end == "port" else [end])])
        while (name := f"veth{sha256(text.encode()).hexdigest()[:7]}") in taken:
            text += "+"
        return name
