"""What an answer or an error says about the health of the other side."""

import asyncio
import json
from datetime import UTC, datetime
from email.utils import format_datetime

import anthropic
import httpx2 as httpx  # what both clients bring along
import openai
import pytest

from spanledger.guard.breaker import Outcome, Throttled
from spanledger.guard.decision import Refusal
from spanledger.guard.outcomes import (
    outcome_of_error,
    outcome_of_status,
    outcome_of_tool_error,
    parse_retry_after,
)

REQUEST = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")
NOW_S = 1_795_176_000.0


def _answer(status: int) -> httpx.Response:
    return httpx.Response(status, request=REQUEST)


def _raised_from(error: Exception, cause: Exception | None) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, "ok"),
        (400, "ok"),
        (401, "ok"),
        (404, "ok"),
        (408, "ok"),
        (422, "ok"),
        (429, Throttled(20.0)),
        (500, "failed"),
        (502, "failed"),
        (503, "failed"),
        (529, "failed"),
    ],
)
def test_a_status_says_who_is_at_fault(status: int, expected: Outcome) -> None:
    assert outcome_of_status(status, 20.0) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (openai.InternalServerError("", response=_answer(500), body=None), "failed"),
        (anthropic.InternalServerError("", response=_answer(529), body=None), "failed"),
        (openai.RateLimitError("", response=_answer(429), body=None), Throttled(20.0)),
        (openai.BadRequestError("", response=_answer(400), body=None), "ok"),
        (anthropic.AuthenticationError("", response=_answer(401), body=None), "ok"),
        (openai.APITimeoutError(request=REQUEST), "failed"),
        (openai.APIConnectionError(request=REQUEST), "failed"),
        (anthropic.APIConnectionError(request=REQUEST), "failed"),
        (openai.APIResponseValidationError(_answer(200), None), "failed"),
        (openai.APIError("broke off", REQUEST, body=None), "failed"),
        (anthropic.APIStatusError("overloaded", response=_answer(200), body=None), "failed"),
        (httpx.ConnectError(""), "failed"),
        (httpx.ConnectTimeout(""), "failed"),
        (httpx.ReadTimeout(""), "failed"),
        (httpx.RemoteProtocolError(""), "failed"),
        (httpx.ReadError(""), "failed"),
        (httpx.HTTPStatusError("", request=REQUEST, response=_answer(503)), "failed"),
        (json.JSONDecodeError("", "", 0), "failed"),
        (TimeoutError(), "failed"),
        (ConnectionResetError(), "failed"),
        (httpx.PoolTimeout(""), "cancelled"),
        (httpx.LocalProtocolError(""), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (Refusal("budget_exhausted", "day").error(), "cancelled"),
        (ValueError("of the host's own code"), "cancelled"),
    ],
)
def test_an_error_says_who_is_at_fault(error: BaseException, expected: Outcome) -> None:
    assert outcome_of_error(error, 20.0) == expected


def test_a_full_connection_pool_is_our_own_whatever_it_became() -> None:
    error = _raised_from(openai.APITimeoutError(request=REQUEST), httpx.PoolTimeout(""))
    assert outcome_of_error(error) == "cancelled"


def test_what_the_host_was_handling_before_is_not_the_cause() -> None:
    """Its own mistake in an ``except httpx.ReadTimeout:`` has that as its context."""
    error = KeyError("mistake")
    error.__context__ = httpx.ReadTimeout("")
    assert outcome_of_error(error) == "cancelled"


def test_a_circle_of_causes_ends() -> None:
    error = ValueError()
    error.__cause__ = error
    assert outcome_of_error(error) == "cancelled"


def test_every_error_of_a_tool_is_a_failure_but_ours_and_a_cancellation() -> None:
    assert outcome_of_tool_error(KeyError()) == "failed"
    assert outcome_of_tool_error(asyncio.CancelledError()) == "cancelled"
    assert outcome_of_tool_error(Refusal("budget_exhausted", "day").error()) == "cancelled"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20", 20.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        (format_datetime(datetime.fromtimestamp(NOW_S + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW_S - 90, UTC), usegmt=True), 0.0),
        (format_datetime(datetime.fromtimestamp(NOW_S + 90, UTC).replace(tzinfo=None)), 90.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1e9", None),
        ("²", None),
        ("Fri, 99 Nov 2026 99:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, expected: float | None) -> None:
    assert parse_retry_after(value, NOW_S) == expected
