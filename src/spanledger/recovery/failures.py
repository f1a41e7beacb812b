"""What kind of failure an error is. Pure: tables, and the order in which they are asked.

rate_limited       429
server             5xx (529 too), an answer that can't be read
connection         the request did not get there, or the connection broke
timeout            no answer in time; 408, 504
conflict           409
quota              the account is used up: waiting does not help
context_too_long   the request is longer than the model's window
content_filter     the provider does not want to answer that
invalid_answer     an answer came and is not what was asked for
invalid_arguments  the model called a tool with arguments that it refuses
authentication     401, 403
bad_request        any other 4xx
refused            a limit of ours holds it back
other              an error of the program
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from spanledger.guard import SpanledgerRefusal
from spanledger.guard.outcomes import (
    class_names,
    outcome_of_error,
    parse_retry_after,
    status_of,
)
from spanledger.recovery.errors import InvalidAnswer, InvalidToolArguments
from spanledger.track.tools import InvalidArguments

Kind = Literal[
    "rate_limited",
    "server",
    "connection",
    "timeout",
    "conflict",
    "quota",
    "context_too_long",
    "content_filter",
    "invalid_answer",
    "invalid_arguments",
    "authentication",
    "bad_request",
    "refused",
    "other",
]

_LONGEST_DETAIL = 500
_LONGEST_LOOK = 4000

_BY_STATUS: Mapping[int, Kind] = {
    401: "authentication",
    403: "authentication",
    408: "timeout",
    409: "conflict",
    429: "rate_limited",
    504: "timeout",
}

#: What providers say in the error's code, its type or its text, in small letters. Asked of 4xx
#: and of errors without a status: some come inside a stream.
_BY_WORDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (
        "context_too_long",
        (
            "context_length_exceeded",
            "maximum context length",
            "prompt is too long",
            "input is too long",
            "input token count",
            "context window",
            "too many input tokens",
            "reduce the length of the messages",
        ),
    ),
    (
        "content_filter",
        (
            "content_filter",
            "content_policy",
            "content management policy",
            "responsibleaipolicy",
            "blocked by safety",
            "safety system",
        ),
    ),
    ("quota", ("insufficient_quota", "credit balance is too low", "billing_hard_limit")),
)

_BY_CLASS: tuple[tuple[Kind, frozenset[str]], ...] = (
    (
        "content_filter",
        frozenset({"ContentFilterFinishReasonError", "ContentPolicyViolationError"}),
    ),
    ("context_too_long", frozenset({"ContextWindowExceededError"})),
    (
        "timeout",
        frozenset(
            {
                "APITimeoutError",
                "ConnectTimeout",
                "PoolTimeout",
                "ReadTimeout",
                "ServerTimeoutError",
                "TimeoutError",
                "WriteTimeout",
            }
        ),
    ),
    ("server", frozenset({"APIResponseValidationError", "DecodingError", "ResponseParserError"})),
    ("invalid_answer", frozenset({"JSONDecodeError", "ValidationError"})),
)


class Failure(NamedTuple):
    """What is known of a failure."""

    kind: Kind
    detail: str
    retry_after_s: float | None = None
    """Seconds for which the other side asked, or after which a limit of ours has room."""
    status: int | None = None
    tool: str = ""
    schema: object = None


def classify(error: BaseException, wall_now: float) -> Failure:
    """The failure that `error` is. `wall_now`: seconds since the epoch, for dates in headers."""
    detail = _text(error)
    if isinstance(error, SpanledgerRefusal):
        return Failure("refused", detail, error.retry_after_s)
    if isinstance(error, InvalidAnswer):
        return Failure("invalid_answer", detail, schema=error.schema)
    if isinstance(error, (InvalidToolArguments, InvalidArguments)):
        return Failure("invalid_arguments", error.reason, tool=error.tool)
    status = status_of(error)
    return Failure(_kind(error, status), detail, retry_after_s(error, wall_now), status)


def _kind(error: BaseException, status: int | None) -> Kind:
    if status is None or 400 <= status < 500:
        words = _words(error)
        for kind, signs in _BY_WORDS:
            if any(sign in words for sign in signs) and _from_a_provider(error, status):
                return kind
    if status is not None and status >= 400:
        return _BY_STATUS.get(status) or ("server" if status >= 500 else "bad_request")
    names = class_names(error)
    for kind, classes in _BY_CLASS:
        if names & classes:
            return kind
    return "connection" if outcome_of_error(error) == "failed" else "other"


def _from_a_provider(error: BaseException, status: int | None) -> bool:
    """Not an error of the program that happens to speak of a context window."""
    return status is not None or hasattr(error, "body") or hasattr(error, "code")


def _words(error: BaseException) -> str:
    said = (getattr(error, name, None) for name in ("code", "type", "body"))
    return " ".join([_text(error), *(str(part) for part in said if part)])[:_LONGEST_LOOK].lower()


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error whose `__str__` raises must not replace itself
        text = ""
    return (text or type(error).__name__)[:_LONGEST_DETAIL]


def retry_after_s(error: BaseException, wall_now: float) -> float | None:
    """Seconds for which an answer's headers ask; None if they don't."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    if not hasattr(headers, "get"):
        return None
    in_ms, plain = headers.get("retry-after-ms"), headers.get("retry-after")
    if isinstance(in_ms, str) and (found := parse_retry_after(in_ms, wall_now)) is not None:
        return found / 1000
    return parse_retry_after(plain, wall_now) if isinstance(plain, str) else None
