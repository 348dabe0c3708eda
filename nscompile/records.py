"""Records: `dataclass` of the standard library as far as this program uses it, without its cost at each start.

The standard one compiles six methods for each class as the class is made, most of them never called: 54 ms for the
classes of this program, half of what it takes to compile a small lab. Here the methods are shared, and `__init__` is
compiled when the first record of its class is made. To a type checker these are the standard library's.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, field, replace

    __all__ = ["dataclass", "field", "replace"]
else:

    def dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True) -> Callable[[type], type]:
        return lambda plain: _record(plain, frozen=frozen, slots=slots, eq=eq)

    def field(**options: Any) -> _Field:
        return _Field(**options)

    def replace(record: Any, **changes: Any) -> Any:
        """A copy of a record with some of its fields changed."""
        return type(record)(**{name: getattr(record, name) for name in record.__match_args__} | changes)


_NONE = object()


class _Field(NamedTuple):
    default: Any = _NONE
    default_factory: Callable[[], Any] | None = None
    init: bool = True
    compare: bool = True


def _record(plain: type, *, frozen: bool, slots: bool, eq: bool) -> type:
    body = dict(vars(plain))
    own = {name: _field(body.pop(name, _NONE)) for name in plain.__annotations__}
    fields: dict[str, _Field] = {**getattr(plain.__base__, "_fields", {}), **own}
    shared: dict[str, Any] = {
        "_fields": fields,
        "__match_args__": tuple(name for name, each in fields.items() if each.init),
        "__repr__": _shown,
    }
    if frozen:
        shared |= {"__setattr__": _refuse, "__delattr__": _refuse}
    if eq:
        shared |= _comparison([name for name, each in fields.items() if each.compare], hashable=frozen)
    del body["__dict__"], body["__weakref__"]
    if slots:
        shared["__slots__"] = tuple(own)
    made = type(plain)(plain.__name__, plain.__bases__, shared | body)
    made.__qualname__ = plain.__qualname__
    made.__init__ = _initialiser(made)  # type: ignore[misc]
    return made


def _field(default: Any) -> _Field:
    return default if isinstance(default, _Field) else _Field(default)


def _refuse(record: Any, name: str, *_value: Any) -> None:
    raise AttributeError(f"{type(record).__name__}.{name} cannot be changed")


def _shown(record: Any) -> str:
    fields = ", ".join(f"{name}={getattr(record, name)!r}" for name in record.__match_args__)
    return f"{type(record).__qualname__}({fields})"


def _comparison(names: list[str], *, hashable: bool) -> dict[str, Any]:
    key: Callable[[Any], Any] = attrgetter(*names) if names else lambda _record: ()

    def equal(one: Any, other: Any) -> Any:
        return key(one) == key(other) if one.__class__ is other.__class__ else NotImplemented

    return {"__eq__": equal, "__hash__": (lambda record: hash(key(record))) if hashable else None}


def _initialiser(made: type) -> Callable[..., None]:
    """An `__init__` that puts the real one in its place when it is first called."""

    def initialise(record: Any, *args: Any, **keywords: Any) -> None:
        made.__init__ = _compiled(made)  # type: ignore[misc]
        made.__init__(record, *args, **keywords)  # type: ignore[misc]

    return initialise


def _compiled(made: Any) -> Callable[..., None]:
    parameters, lines = ["self"], []
    known: dict[str, Any] = {"NONE": _NONE}
    for name, each in made._fields.items():
        if not each.init:
            continue
        known |= {f"default_{name}": each.default, f"make_{name}": each.default_factory}
        value = f"make_{name}() if {name} is NONE else {name}" if each.default_factory else name
        has_default = each.default is not _NONE or each.default_factory
        parameters.append(f"{name}=default_{name}" if has_default else name)
        if "__dict__" in dir(made):
            lines.append(f"self.__dict__[{name!r}] = {value}")
        else:
            known[f"set_{name}"] = getattr(made, name).__set__
            lines.append(f"set_{name}(self, {value})")
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    source = f"def __init__({', '.join(parameters)}):\n    " + "\n    ".join(lines or ["pass"])
    exec(source, known)  # noqa: S102 - made of the names of fields alone
    initialise: Callable[..., None] = known["__init__"]
    return initialise
