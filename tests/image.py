"""The whole file system of the guest in one file: the tools of this machine with their libraries, Python with what the
agent imports, and the modules of the guest's kernel.

The kernel unpacks it into its memory: it is an initramfs, a cpio archive in the format `newc`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

TOOLS = """
awk bash bridge busybox cat chmod cp cut dash date diff echo env expr false find grep head id ip ip6tables
ip6tables-legacy-save ip6tables-restore ip6tables-save iperf3 iptables iptables-legacy-save iptables-restore
iptables-save kill ln ls mkdir mksh mktemp
modprobe mount mv nft nohup nsenter ping printf readlink rm rmdir sed seq setpriv setsid sh sleep sort ss stat sysctl
tail tc tee test timeout touch tr true umount uname unshare wc wg xargs yash
""".split()

# What the tools read by name: numbers of tables and protocols, extensions of iptables, distributions of netem, and what
# a namespace may have of its own in /etc/netns.
_DATA = (
    "/etc/hosts",
    "/etc/iproute2",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/usr/lib/*/xtables",
    "/usr/lib/tc",
    "/usr/share/iproute2",
)

_MODULES = re.compile(
    r"kernel/drivers/net/(?!ethernet)"
    r"|kernel/net/(802|8021q|bridge|core|ipv4|ipv6|key|l2tp|llc|mpls|netfilter|packet|sched|xfrm)/"
    r"|.*/virtio_(console|pci)\.ko"
)

# Modules that add a setting or a device to every namespace once they are loaded, which no lab can take back: loaded by
# the first lab that needs one, they would be a trace of it.
_VISIBLE = "ip6_gre ip6_tunnel ip_gre ipip sit vrf"

_INIT = """#!/bin/sh
export PATH={path}
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
ln -s /proc/self/fd /dev/fd
modprobe -a virtio_pci virtio_console tun {visible}
{python} -S {agent}
"""

_IMPORTED = """
import json, sys
sys.path[0] = sys.argv[1]
import agent, traceback
modules = list(sys.modules.values())
print(json.dumps([getattr(each, name, None) for each in modules for name in ("__file__", "__cached__")]))
"""


def missing() -> list[str]:
    """The tools that this machine does not have."""
    return [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]


def write(image: Path, modules: Path) -> None:
    """Writes the image, for the kernel whose modules are in a folder named after its release."""
    agent = str(TESTS / "agent.py")
    python = os.path.realpath(sys.executable)
    imported = _imported(python)
    programs = [str(shutil.which(tool, path=PATH)) for tool in TOOLS] + [python]
    extensions = [path for path in imported if path.endswith(".so")]
    data = [str(path) for name in _DATA for path in Path("/").glob(name[1:])]
    here = {*programs, *imported, *_libraries(programs + extensions), *_files(data)}
    archive = _Archive()
    for name in ("bin", "sbin", "lib", "lib64"):
        if Path("/", name).is_symlink():
            archive.add(f"/{name}", stat.S_IFLNK | 0o777, str(Path("/", name).readlink()).encode())
    for name in ("/dev", "/proc", "/sys", "/run", "/tmp", "/etc"):
        archive.folder(name)
    for name in sorted(here):
        archive.file(name, Path(name))
    for path in _modules(modules):
        archive.file(f"/usr/lib/modules/{modules.name}/{path.relative_to(modules)}", path)
    init = _INIT.format(path=PATH, visible=_VISIBLE, python=python, agent=agent)
    archive.add("/init", stat.S_IFREG | 0o755, init.encode())
    image.write_bytes(archive.whole())


def _imported(python: str) -> list[str]:
    """The files of all modules that the agent imports, compiled ones beside their sources."""
    listing = subprocess.run([python, "-S", "-c", _IMPORTED, str(TESTS)], capture_output=True, text=True, check=True)
    return [path for path in json.loads(listing.stdout) if path and Path(path).exists()]


def _libraries(programs: list[str]) -> set[str]:
    listing = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", listing, re.MULTILINE))


def _files(paths: list[str]) -> Iterator[str]:
    for path in paths:
        yield path
        yield from (str(inner) for inner in Path(path).rglob("*") if inner.is_file())


def _modules(folder: Path) -> Iterator[Path]:
    """The modules that a network may need, those that they depend on, and the tables that modprobe reads."""
    depends = dict(line.split(":") for line in (folder / "modules.dep").read_text(encoding="ascii").splitlines())
    wanted = [name for name in depends if _MODULES.match(name)]
    names = {name for each in wanted for name in (each, *depends[each].split())}
    yield from (folder / name for name in sorted(names))
    yield from folder.glob("modules.*")


class _Archive:
    """A cpio archive in the format `newc`; a folder is added before the first thing in it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._names: set[str] = {"/"}

    def file(self, name: str, source: Path) -> None:
        """Adds a file or an empty folder, under the name that it has once links among its folders are followed."""
        if source.is_dir():
            self.folder(name)
        else:
            status = source.stat()
            self.add(name, status.st_mode, source.read_bytes(), int(status.st_mtime))

    def folder(self, name: str) -> None:
        self.add(name, stat.S_IFDIR | 0o755)

    def add(self, name: str, mode: int, content: bytes = b"", time: int = 0) -> None:
        name = str(Path(name).parent.resolve() / Path(name).name)
        if name in self._names:
            return
        self.folder(str(Path(name).parent))
        self._names.add(name)
        inode, path = len(self._names), name[1:].encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, time, len(content), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self._parts += [head, bytes(-len(head) % 4), content, bytes(-len(content) % 4)]

    def whole(self) -> bytes:
        self.add("/TRAILER!!!", 0)
        return b"".join(self._parts)
