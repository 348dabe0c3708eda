"""Records are as `dataclass` of the standard library makes them, as far as the program uses it."""

from __future__ import annotations

import dataclasses
from typing import Any, Generic, TypeVar

import pytest

from nscompile import records

_Value = TypeVar("_Value")


def made_by(library: Any) -> Any:
    class Made:
        @library.dataclass(frozen=True, slots=True)
        class Base:
            span: int = library.field(compare=False)

        @library.dataclass(frozen=True, slots=True)
        class Word(Base):
            text: str
            more: tuple[str, ...] = ()
            lost: frozenset[str] = library.field(default_factory=frozenset)

        @library.dataclass(frozen=True, slots=True)
        class Bare(Base):
            pass

        class Kind(Word):
            __slots__ = ()

        @library.dataclass(frozen=True, slots=True)
        class Given(Generic[_Value]):
            value: _Value

        @library.dataclass(slots=True)
        class Pool:
            network: int
            drawn: list[int] = library.field(default_factory=list)
            following: int = library.field(init=False)

            def __post_init__(self) -> None:
                self.following = self.network + 1

        @library.dataclass(frozen=True, eq=False)
        class Source:
            path: str
            order: int = 0

    return Made


OURS, THEIRS = made_by(records), made_by(dataclasses)


def behaviour(made: Any) -> list[object]:
    word, same, other = made.Word(1, "a"), made.Word(2, text="a"), made.Word(1, "b", more=("c",))
    pool = made.Pool(4)
    pool.drawn.append(5)
    return [
        [word == same, word == other, hash(word) == hash(same), word == made.Kind(1, "a"), word == 1],
        [word.span, word.text, word.more, word.lost, other.more],
        [made.Word.__match_args__, made.Pool.__match_args__, made.Bare.__match_args__],
        [hasattr(each, "__dict__") for each in (word, pool, made.Kind(1, "a"), made.Source("a"))],
        [made.Bare(1) == made.Bare(2), {made.Bare(1): 0}[made.Bare(2)]],
        [made.Given(1) == made.Given(1), made.Given("a").value],
        [pool.following, pool.drawn, made.Pool(4).drawn, pool == made.Pool(4), made.Pool.__hash__],
        [made.Source("a") == made.Source("a"), made.Source("a").order, vars(made.Source("a", 2))],
        [repr(word), repr(made.Kind(1, "a")), made.Word.__qualname__],
    ]


def test_a_record_behaves_as_a_dataclass() -> None:
    assert behaviour(OURS) == behaviour(THEIRS)


def test_a_copy_can_differ_in_a_field() -> None:
    word = OURS.Word(1, "a", ("b",))
    assert records.replace(word, text="c") == OURS.Word(1, "c", ("b",))
    assert records.replace(word, text="c").span == 1
    assert type(records.replace(OURS.Kind(1, "a"), text="c")) is OURS.Kind


@pytest.mark.parametrize("made", [OURS, THEIRS])
def test_a_frozen_record_stays_as_it_is(made: Any) -> None:
    for record, name in ((made.Word(1, "a"), "text"), (made.Source("a"), "path")):
        with pytest.raises(AttributeError):
            setattr(record, name, "b")
        with pytest.raises(AttributeError):
            delattr(record, name)
    with pytest.raises(AttributeError):
        made.Pool(1).unknown = 1


@pytest.mark.parametrize("made", [OURS, THEIRS])
def test_a_record_is_made_of_its_fields_and_no_others(made: Any) -> None:
    for values, named in (((), {}), ((1, "a", (), frozenset(), 5), {}), ((1, "a"), {"unknown": 1})):
        with pytest.raises(TypeError):
            made.Word(*values, **named)
