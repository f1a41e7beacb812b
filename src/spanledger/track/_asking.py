"""A tool asks the guard before it runs, and says afterwards how it went."""

import hashlib
import logging
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from opentelemetry import trace

from spanledger.guard import Call, Estimate, Guard, Reservation, Spending, ready, ready_async
from spanledger.guard.breaker import Outcome
from spanledger.guard.fingerprints import fingerprint, result_print
from spanledger.guard.outcomes import outcome_of_tool_error
from spanledger.guard.rules import TOOL_CALL, TRACE_ID
from spanledger.track._options import NO_OPTIONS, Options
from spanledger.track._permissions import demand
from spanledger.track._scope import current_scope

_log = logging.getLogger("spanledger.track")

_NOTHING = Estimate(0, 0, 0, "none")
_ONE_CALL = Spending(tokens=0, cost_nano_usd=0)
_NO_RESULT = object()


class Asked:
    """One call of a tool, as a plain or an async context manager.

    Entering raises the refusal if a rule on tools, a loop rule, a breaker or a ceiling says so,
    and `PermissionDenied` for a tool of a higher level than is permitted here.
    Set `result` to what the tool gave, for loop rules.
    """

    _guard: Guard

    def __init__(
        self,
        tool: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: Options = NO_OPTIONS,
    ) -> None:
        self._held: Reservation | None = None
        self._call: Call | None = None
        self._tool, self._args, self._kwargs, self._options = tool, args, kwargs, options
        self.result: Any = _NO_RESULT
        self.failed = False
        """What it gave is an error, though nothing was raised."""
        self._items: ItemsPrint | None = None

    def saw(self, item: object) -> None:
        """A generator gave `item`: all of them together are its result."""
        if self._call is None or self._call.fingerprint is None:
            return
        if self._items is None:
            self._items = ItemsPrint()
        self._items.add(item)

    def __enter__(self) -> Self:
        demand(self._tool, self._options.permission)
        self._guard = ready()
        if self._guard.watches_tools or self._options.rates:
            self._call = self._described()
            self._held = self._guard.admit(self._call).granted()
        return self

    async def __aenter__(self) -> Self:
        demand(self._tool, self._options.permission)
        self._guard = await ready_async()
        if self._guard.watches_tools or self._options.rates:
            self._call = self._described()
            self._held = (await self._guard.admit_async(self._call)).granted()
        return self

    def _described(self) -> Call:
        call = _call(self._guard, self._tool, self._args, self._kwargs)
        return call._replace(rates=self._options.rates) if self._options.rates else call

    def again(self, value: object) -> None:
        """The tool does not run: its result is kept from an earlier call.

        Nothing is charged, and it counts for no rate. It is a step of the agent all the same, so
        ceilings and loop rules may refuse it.
        """
        demand(self._tool, self._options.permission)
        self._look(ready(), value)

    async def again_async(self, value: object) -> None:
        """`again` for coroutines."""
        demand(self._tool, self._options.permission)
        self._look(await ready_async(), value)

    def _look(self, guard: Guard, value: object) -> None:
        if not guard.watches_tools:
            return
        call = _call(guard, self._tool, self._args, self._kwargs)
        if (refusal := guard.check(call)) is not None:
            raise refusal.error()
        guard.observe_result(call, value)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._held is None or self._call is None:
            return
        try:
            self._report(self._held, self._call, error)
        except Exception:  # noqa: BLE001 - a failure of ours must not take the tool's result away
            _log.exception("what the tool %s used could not be counted", self._tool)

    def _report(self, held: Reservation, call: Call, error: BaseException | None) -> None:
        if isinstance(error, GeneratorExit):
            error = None  # the caller had enough; the tool did its work
        outcome: Outcome = "failed" if self.failed else "ok"
        if error is not None:
            outcome = outcome_of_tool_error(error)
        self._guard.settle(held, _ONE_CALL, outcome=outcome)
        seen = error if error is not None else self._result()
        if seen is not _NO_RESULT:
            self._guard.observe_result(call, seen)

    def _result(self) -> Any:
        if self._items is None:
            return self.result
        if self.result is not _NO_RESULT and self.result is not None:
            self._items.add(self.result)
        return self._items.result()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


class ItemsPrint:
    """What a generator gave, as one short result that loop rules can compare. Keeps no item."""

    def __init__(self) -> None:
        self._state = hashlib.blake2b(digest_size=16)
        self._comparable = True

    def add(self, item: object) -> None:
        exact = result_print(item).exact
        if exact is None:
            self._comparable = False
        else:
            self._state.update(exact)

    def result(self) -> object:
        """A number in decimal digits: hexadecimal ones would pass for an id that changes."""
        if not self._comparable:
            return object()
        return f"items {int.from_bytes(self._state.digest())}"


def _call(guard: Guard, tool: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
    scope = current_scope()
    print_ = fingerprint(tool, [list(args), dict(kwargs)]) if guard.policy.loops else None
    attributes = {**_trace(), **scope.attributes}
    return Call(
        call_id=uuid.uuid4().hex,
        provider="",
        model="",
        operation=TOOL_CALL,
        estimate=_NOTHING,
        session=scope.session,
        agents=scope.agents,
        user=scope.user,
        tool=tool,
        attributes=attributes,
        fingerprint=print_,
    )


def _trace() -> dict[str, str]:
    """The trace that runs: it stands in for a session, so that strangers are kept apart."""
    context = trace.get_current_span().get_span_context()
    return {TRACE_ID: trace.format_trace_id(context.trace_id)} if context.is_valid else {}
