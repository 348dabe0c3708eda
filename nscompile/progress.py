"""How far a script is, for whoever watches it build a lab that takes long."""

from __future__ import annotations

from itertools import groupby, zip_longest
from typing import TYPE_CHECKING

from nscompile.plan import Kind
from nscompile.records import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nscompile.plan import Plan, Step

_LARGE = 50  # namespaces
_APART = 4  # percent


def with_progress(plan: Plan) -> Plan:
    """The plan of a large lab with calls of `progress`, a function of its script; that of a small one as it is."""
    if len(plan.names(Kind.NAMESPACE)) <= _LARGE:
        return plan
    return replace(plan, steps=tuple(_with_progress(plan)))


def _with_progress(plan: Plan) -> Iterator[Step]:
    """Of shares that are done side by side the first speaks for all; a process for many commands is not split."""
    told = before = 0
    for _, run in groupby(plan.steps, key=lambda step: (step.phase, step.why)):
        steps = list(run)
        shares = max(step.share for step in steps) or 1
        for number, (step, following) in enumerate(zip_longest(steps, steps[1:]), 1):
            yield step
            percent = 100 * (before + min(number * shares, len(steps))) // len(plan.steps)
            is_apart = not plan.optimized or following is None or following.namespace != step.namespace
            if is_apart and step.share <= 1 and told + _APART <= percent < 100:
                told = percent
                yield replace(step, do=("progress", str(percent)), undo=None, passing=(), need=None)
        before += len(steps)
