"""Chains of tools: what each step is given, and the span above all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from opentelemetry.trace import Status, StatusCode

from spanledger import semconv
from spanledger.track._spans import Tracked
from spanledger.track.tools._results import ToolResult
from spanledger.track.tools._spec import ToolSpec

Step = str | tuple[str, Mapping[str, Any]]


class Planned(NamedTuple):
    """One step, with its tool."""

    spec: ToolSpec
    own: Mapping[str, Any]

    def given(
        self, before: Sequence[ToolResult], first: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        """Its arguments: those of its own, and what the step before gave."""
        if not before:
            return {**(first or {}), **self.own}
        parameters = self.spec.parameters.get("properties", {})
        name = next((one for one in parameters if one not in self.own), None)
        return self.own if name is None else {**self.own, name: before[-1].value}


def steps_of(steps: Sequence[Step], find: Callable[[str], ToolSpec]) -> list[Planned]:
    """The steps with their tools. Raises what `find` raises, and `ValueError` for none."""
    if not steps:
        raise ValueError("a chain has at least one step: the name of a tool")
    pairs = [(step, {}) if isinstance(step, str) else step for step in steps]
    return [Planned(find(name), own) for name, own in pairs]


class ChainSpan:
    """The span above the steps."""

    def __init__(self, tracked: Tracked) -> None:
        self._tracked = tracked

    def ended(self, last: ToolResult) -> None:
        """Say where it ended, if it did not come to its end."""
        if last.exception is not None:
            span = self._tracked.span
            span.set_attribute(semconv.ERROR_TYPE, type(last.exception).__qualname__)
            span.set_status(Status(StatusCode.ERROR, f"{last.tool}: {last.error}"[:500]))


@contextmanager
def chain_span(plan: Sequence[Planned]) -> Iterator[ChainSpan]:
    """The span of a chain."""
    names = [step.spec.name for step in plan]
    said = {semconv.SPAN_KIND: "operation", semconv.TOOL_CHAIN: names}
    with Tracked(f"tool_chain {names[0]}", said) as tracked:
        yield ChainSpan(tracked)
