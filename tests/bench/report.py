"""The measurements as tables, and what they must show."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.compiler import Process
    from bench.stars import Star, Times

OPTIMIZED = "`nscompile -O`"
ARTICLE = "`nscompile`, the article's commands"
BARE = "the bare commands"

COMPILER_ROWS = {
    "imports": '`python3 -c "import lark, jinja2, click"`',
    "article": "`nscompile out/article/lab.nsl`",
    "1000 loop": "1,000 nodes on 2 bridges, from loops",
    "10000 loop": "10,000 nodes on 20 bridges, from loops",
    "1000 lines": "1,000 nodes, a line each",
    "10000 lines": "10,000 nodes, a line each",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that must not be more than its limit; found is none where it was not measured."""

    what: str
    limit: float
    found: float | None
    unit: str = "times"

    def row(self) -> str:
        if self.found is None:
            return f"| {self.what} | at most {self.limit:g} {self.unit} | not measured | |"
        verdict = "yes" if self.found <= self.limit else "**no**"
        return f"| {self.what} | at most {self.limit:g} {self.unit} | {digits(self.found)} | {verdict} |"


def digits(value: float) -> str:
    """Three that count, and none after the point where there are three before it."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def spread(values: Sequence[float]) -> str:
    """`2.31 (2.23 to 2.64)`: the median, the smallest and the largest."""
    return f"{digits(median(values))} ({digits(min(values))} to {digits(max(values))})"


def ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    """The median of the ratios round by round."""
    return median(one / other for one, other in zip(ones, others, strict=True))


def star_table(stars: list[Star]) -> Iterator[str]:
    yield "| nodes | built by | up, s | ÷ floor | down, s | ÷ floor | kernel done, s | ÷ floor |"
    yield "| --: | --- | --- | --: | --- | --: | --- | --: |"
    for star in stars:
        floor = star.runs["floor"]
        for name, runs in star.runs.items():
            cells = [
                cell
                for figure in (attrgetter("up"), attrgetter("down"), attrgetter("done"))
                for cell in _against(runs, floor, figure)
            ]
            yield f"| {star.nodes} | {name} | {' | '.join(cells)} |"


def _against(runs: list[Times], floor: list[Times], figure: Callable[[Times], float]) -> tuple[str, str]:
    ours, theirs = [figure(each) for each in runs], [figure(each) for each in floor]
    return spread(ours), digits(ratio(ours, theirs))


def mininet_as_a_process(stars: list[Star]) -> str:
    """What Mininet's table row leaves out: the start of Python and Mininet's import."""
    each = (f"{digits(median(run.whole for run in star.runs['Mininet']))} s for {star.nodes} nodes" for star in stars)
    return f"Mininet's whole process, up and down together: {', '.join(each)}."


def compiler_table(processes: dict[str, list[Process]]) -> Iterator[str]:
    yield "| process | s | ÷ imports | ÷ article | peak memory, MB |"
    yield "| --- | --- | --: | --: | --: |"
    imports, article = (_seconds(processes, each) for each in ("imports", "article"))
    for name, text in COMPILER_ROWS.items():
        found = _seconds(processes, name)
        ratios = f"{digits(ratio(found, imports))} | {digits(ratio(found, article))}"
        yield f"| {text} | {spread(found)} | {ratios} | {_memory(processes, name):.0f} |"


def figure_table(stars: list[Star], processes: dict[str, list[Process]]) -> Iterator[str]:
    yield "| figure | must be | is | met |"
    yield "| --- | --- | --: | --- |"
    yield from (each.row() for each in [*_star_figures({star.nodes: star for star in stars}), *_compiling(processes)])


def _star_figures(stars: dict[int, Star]) -> Iterator[Figure]:
    def compare(nodes: int, one: str, other: str, figure: Callable[[Times], float]) -> float | None:
        runs = stars[nodes].runs if nodes in stars else {}
        if one not in runs or other not in runs:
            return None
        return ratio([figure(each) for each in runs[one]], [figure(each) for each in runs[other]])

    up, down, done = attrgetter("up"), attrgetter("down"), attrgetter("done")
    for nodes, limit in ((200, 2.2), (1000, 1.5)):
        what = f"`up.sh` with `-O` against the floor, {nodes} nodes"
        yield Figure(what, limit, compare(nodes, OPTIMIZED, "floor", up))
    for nodes in (200, 1000):
        what = f"the same against Mininet's start, {nodes} nodes"
        yield Figure(what, 0.15, compare(nodes, OPTIMIZED, "Mininet", up))
    what = "`down.sh` of `-O` against the floor's teardown, 1000 nodes"
    yield Figure(f"{what}, until nothing is to be seen", 1.5, compare(1000, OPTIMIZED, "floor", down))
    yield Figure(f"{what}, until the kernel is done", 1.5, compare(1000, OPTIMIZED, "floor", done))
    what = "`up.sh` of the article's commands against the bare commands, 200 nodes"
    yield Figure(what, 1.15, compare(200, ARTICLE, BARE, up))
    for nodes in (200, 1000):
        size = stars[nodes].optimized_bytes if nodes in stars else None
        what = f"`up.sh` with `-O`, {nodes} nodes"
        yield Figure(what, 400, None if size is None else size / nodes, "bytes a node")


def _compiling(processes: dict[str, list[Process]]) -> Iterator[Figure]:
    def compare(one: str, other: str) -> float | None:
        return ratio(_seconds(processes, one), _seconds(processes, other)) if processes else None

    yield Figure("`nscompile out/article/lab.nsl` against its three imports", 1.5, compare("article", "imports"))
    for kind, how in (("loop", "from loops"), ("lines", "a line each")):
        big, small = f"10000 {kind}", f"1000 {kind}"
        yield Figure(f"10,000 nodes {how} against the article", 16, compare(big, "article"))
        yield Figure(f"10,000 nodes {how} against 1,000", 11, compare(big, small))
        memory = _memory(processes, big) if processes else None
        yield Figure(f"10,000 nodes {how}, peak memory", 400, memory, "MB")


def _seconds(processes: dict[str, list[Process]], name: str) -> list[float]:
    return [each.seconds for each in processes[name]]


def _memory(processes: dict[str, list[Process]], name: str) -> float:
    return median(each.megabytes for each in processes[name])
