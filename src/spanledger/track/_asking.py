"""A tool asks the guard before it runs, and says afterwards how it went."""

import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from spanledger.guard import Call, Estimate, Guard, Reservation, Spending, current
from spanledger.guard.fingerprints import fingerprint
from spanledger.guard.outcomes import outcome_of_tool_error
from spanledger.guard.rules import TOOL_CALL
from spanledger.track._scope import current_scope

_NOTHING = Estimate(0, 0, 0, "none")
_ONE_CALL = Spending(tokens=0, cost_nano_usd=0)
_NO_RESULT = object()


class Asked:
    """One call of a tool, as a plain or an async context manager.

    Entering raises the refusal if a rule on tools, a loop rule, a breaker or a ceiling says so.
    Set `result` to what the tool gave, for loop rules.
    """

    def __init__(self, tool: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._guard: Guard = current()
        self._held: Reservation | None = None
        self._call = _call(self._guard, tool, args, kwargs) if self._guard.watches_tools else None
        self.result: Any = _NO_RESULT

    def __enter__(self) -> Self:
        if self._call is not None:
            self._held = self._guard.admit(self._call).granted()
        return self

    async def __aenter__(self) -> Self:
        if self._call is not None:
            self._held = (await self._guard.admit_async(self._call)).granted()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._held is None or self._call is None:
            return
        outcome = "ok" if error is None else outcome_of_tool_error(error)
        self._guard.settle(self._held, _ONE_CALL, outcome=outcome)
        seen = error if error is not None else self.result
        if seen is not _NO_RESULT:
            self._guard.observe_result(self._call, seen)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


def _call(guard: Guard, tool: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
    scope = current_scope()
    print_ = fingerprint(tool, [list(args), dict(kwargs)]) if guard.policy.loops else None
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
        fingerprint=print_,
    )
