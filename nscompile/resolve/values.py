"""Words to typed values: each function reads one word, and where that is impossible reports why and returns None."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from nscompile.diagnostics import Diagnostic, Diagnostics
from nscompile.model import Address, Given
from nscompile.syntax import Word

if TYPE_CHECKING:
    from nscompile.model import IPAddress, IPNetwork

LONGEST_INTERFACE = 15  # bytes: IFNAMSIZ less the terminating NUL, include/uapi/linux/if.h
# Bytes: NAME_MAX is 255, a namespace is a file in /run/netns, and what is kept for it has its name and a word more.
LONGEST_FILE = 240

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")
_TAKEN = {
    "lo": "the loopback interface",
    "all": "a folder of /proc/sys/net",
    "default": "a folder of /proc/sys/net",
    **dict.fromkeys(
        ("gre0", "gretap0", "erspan0", "ip6gre0", "tunl0", "ip6tnl0", "sit0"),
        "an interface that the kernel makes with its first tunnel",
    ),
}
_NUMBERS_FROM_1 = range(1, 2**32)
PORTS = range(1, 2**16)  # port 0 is reserved, RFC 6335


def name(word: Word, diagnostics: Diagnostics) -> str | None:
    """A name that Linux takes as a file's and a shell takes as one word."""
    text = word.text
    odd = _NAME.match(text)
    if odd is None or odd.end() < len(text):
        at = odd.end() if odd else 0
        message = f"`{text[at]}` cannot stand in a name" if text[at].isprintable() else "a name must be printable"
        way_out = "a name is made of letters, digits, `_`, `-` and `.`"
        diagnostics.add(Diagnostic("NSL104", message, word.part(at, 1), help=way_out))
        return None
    if text.startswith(("-", ".")):
        way_out = "begin it with a letter or a digit"
        diagnostics.add(Diagnostic("NSL104", f"`{text}` cannot be a name", word.span, help=way_out))
        return None
    if len(text) > LONGEST_FILE:
        message = f"a name of {len(text)} bytes is too long"
        diagnostics.add(Diagnostic("NSL104", message, word.span, help=f"keep it within {LONGEST_FILE} bytes"))
        return None
    return text


def interface_name(word: Word, diagnostics: Diagnostics) -> str | None:
    """A name that the kernel takes for an interface."""
    text = name(word, diagnostics)
    if text is None:
        return None
    if len(text) > LONGEST_INTERFACE:
        message = f"`{text}` has {len(text)} bytes; the name of an interface has at most {LONGEST_INTERFACE}"
        way_out = f"`{text[:LONGEST_INTERFACE].rstrip('.-_')}` would fit"
        diagnostics.add(Diagnostic("NSL103", message, word.span, help=way_out))
        return None
    if text in _TAKEN:
        what = _TAKEN[text]
        message = f"`{text}` is the name of {what}"
        diagnostics.add(Diagnostic("NSL104", message, word.span, help="choose another name"))
        return None
    return text


def ip(word: Word, diagnostics: Diagnostics, what: str = "a next hop") -> IPAddress | None:
    """A bare address, as that of a gateway, or of whatever `what` says."""
    text, slash, _ = word.text.partition("/")
    found = _ip(word, text, diagnostics)
    if found is not None and slash:
        message = f"`{word.text}` has a prefix length, and {what} has none"
        diagnostics.add(Diagnostic("NSL202", message, word.span, help=f"write `{text}`"))
        return None
    return found


def address(word: Word, diagnostics: Diagnostics, *, on_lo: bool = False) -> Address | None:
    """An address with its prefix length, `A/L`."""
    text, slash, length = word.text.partition("/")
    found = _ip(word, text, diagnostics)
    if found is None:
        return None
    if not slash:
        usual = found.max_prefixlen if on_lo else 24 if found.version == 4 else 64
        message = f"`{text}` has no prefix length"
        diagnostics.add(Diagnostic("NSL202", message, word.span, help=f"write `{text}/{usual}`, say"))
        return None
    if not _length_fits(word, len(text) + 1, length, found, diagnostics):
        return None
    return Address(found, int(length), word.span)


def prefix(word: Word, diagnostics: Diagnostics) -> IPNetwork | None:
    """A prefix `P/L`; a bare address is the prefix of itself alone."""
    text, slash, length = word.text.partition("/")
    found = _ip(word, text, diagnostics)
    if found is None or (slash and not _length_fits(word, len(text) + 1, length, found, diagnostics)):
        return None
    network = ipaddress.ip_interface(word.text).network
    if network.network_address != found:
        message = f"`{word.text}` is an address in a prefix, not the prefix"
        diagnostics.add(Diagnostic("NSL210", message, word.span, help=f"write `{network}`"))
        return None
    return network


def _length_fits(word: Word, at: int, length: str, found: IPAddress, diagnostics: Diagnostics) -> bool:
    if length.isascii() and length.isdigit() and int(length[:4]) <= found.max_prefixlen and len(length) <= 3:
        return True
    message = f"`/{length}` is no prefix length"
    fact = f"an IPv{found.version} prefix has from 0 to {found.max_prefixlen} bits"
    span = word.part(at, len(length)) if length else word.span
    diagnostics.add(Diagnostic("NSL202", message, span, help=fact))
    return False


def _ip(word: Word, text: str, diagnostics: Diagnostics) -> IPAddress | None:
    try:
        if "%" not in text:
            return ipaddress.ip_address(text)
    except ValueError:
        pass
    for octet in re.finditer(r"[^.]+", text) if re.fullmatch(r"\d+(\.\d+){3}", text) else ():
        if int(octet[0][:4]) > 255 or len(octet[0]) > 3:
            message = f"`{octet[0]}` in `{text}` is more than 255"
        elif octet[0].startswith("0") and octet[0] != "0":
            message = f"`{octet[0]}` in `{text}` has a leading zero, which some read as octal"
        else:
            continue
        diagnostics.add(Diagnostic("NSL201", message, word.part(octet.start(), len(octet[0]))))
        return None
    way_out = "an address is like `192.0.2.1` or `2001:db8::1`"
    diagnostics.add(Diagnostic("NSL201", f"`{text}` is no IP address", word.part(0, len(text)), help=way_out))
    return None


def number(word: Word, what: str, limits: range, diagnostics: Diagnostics, code: str = "NSL402") -> int | None:
    text = word.text
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) in limits:
        return int(text)
    way_out = f"it is a number from {limits[0]} to {limits[-1]}"
    diagnostics.add(Diagnostic(code, f"`{text}` is no {what}", word.span, help=way_out))
    return None


def port(word: Word, diagnostics: Diagnostics) -> int | None:
    return number(word, "port", PORTS, diagnostics, "NSL701")


def metric(word: Word, diagnostics: Diagnostics) -> int | None:
    return number(word, "metric", _NUMBERS_FROM_1, diagnostics)


def table(word: Word, diagnostics: Diagnostics) -> str | None:
    """A routing table: a number, or one of the three names that every host has."""
    if word.text in {"main", "local", "default"}:
        return word.text
    found = number(word, "routing table", _NUMBERS_FROM_1, diagnostics)
    return None if found is None else str(found)


def mac(word: Word, diagnostics: Diagnostics) -> Given[str] | None:
    """A MAC address for an interface, in lower case."""
    text = word.text.lower()
    if not _MAC.fullmatch(text):
        way_out = "it is six pairs of hexadecimal digits, as in `02:00:00:00:00:01`"
        diagnostics.add(Diagnostic("NSL211", f"`{word.text}` is no MAC address", word.span, help=way_out))
        return None
    if int(text[:2], 16) & 1 or text == "00:00:00:00:00:00":
        message = f"`{word.text}` cannot be an interface's own address"
        label, way_out = "multicast: the first byte is odd", f"`02{text[2:]}` can"
        if not int(text[:2], 16) & 1:
            label, way_out = "no address at all", "`02:00:00:00:00:01` can"
        diagnostics.add(Diagnostic("NSL211", message, word.part(0, 2), label=label, help=way_out))
        return None
    return Given(text, word.span)


def addresses(words: tuple[Word, ...], diagnostics: Diagnostics, *, on_lo: bool = False) -> tuple[Address, ...]:
    found = [address(word, diagnostics, on_lo=on_lo) for word in words]
    return tuple(each for each in found if each is not None)


def mtu(word: Word, diagnostics: Diagnostics) -> Given[int] | None:
    """An MTU in bytes, from IPv4's least to what a veth pair carries; IPv6's own least is a check's matter."""
    found = number(word, "MTU", range(68, 65536), diagnostics, "NSL401")
    return None if found is None else Given(found, word.span)


def vlan(word: Word, diagnostics: Diagnostics) -> Given[int] | None:
    found = number(word, "VLAN", range(1, 4095), diagnostics, "NSL403")
    return None if found is None else Given(found, word.span)


def vlans(words: tuple[Word, ...], diagnostics: Diagnostics) -> tuple[Given[str], ...]:
    """VLANs of a trunk, each a number or a range such as `10-20`."""
    found: list[Given[str]] = []
    for word in words:
        first, dash, last = word.text.partition("-")
        ends = [vlan(Word(end, word.span), diagnostics) for end in ((first, last) if dash else (first,))]
        if None in ends:
            continue
        if dash and int(last) < int(first):
            message = f"the VLANs `{word.text}` run backwards"
            diagnostics.add(Diagnostic("NSL403", message, word.span, help=f"write `{last}-{first}`"))
            continue
        found.append(Given(word.text, word.span))
    return tuple(found)
