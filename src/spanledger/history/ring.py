"""The last actions of this process, in memory: written on the call path, read when asked.

Writing appends one tuple, with texts cut but not looked at. Secrets are cut out when an entry
is read for the first time, so nothing that leaves here holds any.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from spanledger import semconv
from spanledger.history.kinds import Kind, status_of
from spanledger.track.plain import MORE

if TYPE_CHECKING:
    from spanledger.history.action import Action

ACTIONS = 100
RESULT_CHARS = 500
#: Kept beyond the limit until secrets are cut out: half a one would not be recognised.
LOOK_AHEAD_CHARS = 300

#: Attributes of a span that an entry is made of.
ATTRIBUTES = (
    semconv.AGENT_NAME,
    semconv.CALL_ID,
    semconv.CONVERSATION_ID,
    semconv.COST_NANO_USD,
    semconv.ERROR_TYPE,
    semconv.GUARD_REASON,
    semconv.GUARD_RULE,
    semconv.RESPONSE_FINISH_REASONS,
    semconv.SESSION_STATUS,
    semconv.STREAM_OUTCOME,
    semconv.USAGE_INPUT_TOKENS,
    semconv.USAGE_OUTPUT_TOKENS,
    semconv.USER_ID,
)


class Noted(NamedTuple):
    """An action as it ended, before anybody asked for it."""

    kind: Kind
    trace_id: int
    span_id: int
    parent_id: int
    name: str
    started_ns: int
    ended_ns: int
    failed: bool
    message: str | None
    attributes: Mapping[str, Any]
    """Those of `ATTRIBUTES` that the span has, perhaps among others."""
    command: str | None
    arguments: Any
    """None, a text, or a plain value; so is `result`."""
    result: Any

    @property
    def session(self) -> str:
        return str(self.attributes.get(semconv.CONVERSATION_ID, ""))


class Ring:
    """The last `size` actions. Safe to share between threads."""

    def __init__(self, size: int = ACTIONS, redact: Callable[[str], str] = str) -> None:
        """`redact` cuts secrets out of a text."""
        self._noted: deque[Noted] = deque(maxlen=size)
        self._redact = redact
        #: Entries that were read before: the second question costs nothing.
        self._known: dict[tuple[int, int], Action] = {}
        self.append: Callable[[Noted], None] = self._noted.append

    def last(self, count: int | None = None) -> "list[Action]":
        """The newest `count` actions (None: all), the newest first."""
        noted = list(reversed(self._noted.copy()))
        return [self._read(each) for each in noted[:count]]

    def newest(self, wanted: Callable[[Noted], bool]) -> "Action | None":
        """The newest action that is `wanted`; only that one is made readable."""
        found = next((each for each in reversed(self._noted.copy()) if wanted(each)), None)
        return None if found is None else self._read(found)

    def __len__(self) -> int:
        return len(self._noted)

    def _read(self, noted: Noted) -> "Action":
        key = noted.trace_id, noted.span_id
        known = self._known.get(key)
        if known is None:
            known = _action(noted, self._redact)
            if len(self._known) >= 2 * (self._noted.maxlen or ACTIONS):
                self._known = {}
            self._known[key] = known
        return known


class _Here:
    ring: Ring | None = None
    language = "en"


def use_ring(ring: Ring | None) -> None:
    """The ring of this process from now on."""
    _Here.ring = ring


def use_language(language: str) -> None:
    """In which language answers are given from now on, where nobody says another one."""
    _Here.language = language


def current_language() -> str:
    return _Here.language


def current_ring() -> Ring | None:
    """The ring of this process; None where Spanledger is not installed, or keeps none."""
    return _Here.ring


def _action(noted: Noted, redact: Callable[[str], str]) -> "Action":
    from spanledger.history.action import Action  # only who asks needs it

    told = noted.attributes
    text = _Text(redact)
    tokens = [
        told[name]
        for name in (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS)
        if isinstance(told.get(name), int)
    ]
    cost = told.get(semconv.COST_NANO_USD)
    return Action(
        trace_id=f"{noted.trace_id:032x}",
        span_id=f"{noted.span_id:016x}",
        parent_span_id=f"{noted.parent_id:016x}" if noted.parent_id else "",
        kind=noted.kind,
        name=text.known(noted.name),
        started_ns=noted.started_ns,
        duration_ns=max(0, noted.ended_ns - noted.started_ns),
        status=status_of(
            noted.kind,
            failed=noted.failed,
            told=str(told.get(semconv.SESSION_STATUS, "")),
            stream=str(told.get(semconv.STREAM_OUTCOME, "")),
            finish_reasons=told.get(semconv.RESPONSE_FINISH_REASONS, ()),
        ),
        agent=text.known(told.get(semconv.AGENT_NAME)),
        session=text.known(told.get(semconv.CONVERSATION_ID)),
        user=text.known(told.get(semconv.USER_ID)),
        error_type=text.known(told.get(semconv.ERROR_TYPE)),
        message=text.known(noted.message),
        reason=text.known(told.get(semconv.GUARD_REASON)),
        rule=text.known(told.get(semconv.GUARD_RULE)),
        call_id=text.known(told.get(semconv.CALL_ID)),
        tokens=sum(tokens) if tokens else None,
        cost_nano_usd=cost if isinstance(cost, int) else None,
        command=text.cut(noted.command),
        arguments=text.cut(noted.arguments),
        result=text.cut(noted.result),
    )


class _Text:
    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact

    def known(self, value: object) -> str:
        """A name; names are short and come from code, and may hold a secret all the same."""
        return "" if value is None or value == "" else self._redact(str(value)[:RESULT_CHARS])

    def cut(self, value: Any) -> str | None:
        """A content without secrets, of bounded length."""
        if value is None:
            return None
        whole = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        clean = self._redact(whole[: RESULT_CHARS + LOOK_AHEAD_CHARS])
        return clean if len(clean) <= RESULT_CHARS else clean[:RESULT_CHARS] + MORE
