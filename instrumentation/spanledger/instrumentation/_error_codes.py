"""The provider's own word for an error: ``insufficient_quota``, ``overloaded_error``. Pure.

Each client keeps it elsewhere: an attribute of the exception, the decoded body, its text, a header,
or what botocore made of it. It goes onto spans and into queries that group by it, so only a single
short word passes; a sentence, a number or an id that somebody's server puts there does not.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spanledger.instrumentation._facts import ReportedFailure
from spanledger.instrumentation._failures import headers_of

__all__ = ["provider_code"]

#: By which names a code goes, the most telling first: OpenAI's ``type`` is the kind of its
#: ``code``, Google's ``code`` is the HTTP status.
_NAMES: Final = ("code", "type", "status")
#: With three digits at the most: ``invalid_base64``, but no id, no date and no key.
_WORD: Final = re.compile(r"(?!(?:.*\d){4})[A-Za-z][A-Za-z0-9_.-]{1,63}")
_LONGEST_BODY: Final = 16 * 1024
#: What says no more than that something failed: the envelope's own type.
_EMPTY: Final = frozenset({"error", "none", "null"})


def provider_code(error: BaseException | None, response: Any = None) -> str | None:
    """The provider's word for what went wrong, if it said one.

    `response` is the HTTP answer of an attempt that failed, if there is one.
    """
    if isinstance(error, ReportedFailure):
        return _word(error.code)
    found = (_word(said) for said in _said(error, response))
    return next((word for word in found if word is not None), None)


def _said(error: BaseException | None, response: Any) -> Iterator[Any]:
    """Whatever may be the code, the most telling first."""
    if error is not None:
        for name in ("body", "details"):
            yield from _in_body(_attribute(error, name))
        yield from (_attribute(error, name) for name in _NAMES)
        response = _attribute(error, "response") if response is None else response
    yield from _in_body(_of_botocore(response) or _content(response))
    yield _of_amazon(response)


def _in_body(body: Any) -> Iterator[Any]:
    """Of a decoded body, or of its text: of the error inside it, else of itself."""
    if isinstance(body, (str, bytes)):
        body = _decoded(body)
    if not isinstance(body, Mapping):
        return
    inner = body.get("error")
    if isinstance(inner, Mapping):
        body = inner
    yield from (body.get(name) for name in _NAMES)


def _of_botocore(response: Any) -> dict[str, Any] | None:
    """What botocore read of the answer, in the names of the others."""
    error = response.get("Error") if isinstance(response, dict) else None
    return {"code": error.get("Code")} if isinstance(error, Mapping) else None


def _of_amazon(response: Any) -> Any:
    """The header in which Amazon names an error, before a colon and an address."""
    said = headers_of(response).get("x-amzn-errortype")
    return said.partition(":")[0] if isinstance(said, str) else None


def _content(response: Any) -> Any:
    """The body of an answer, if the client has read it."""
    found = _attribute(response, "content")
    return found if isinstance(found, bytes) else None


def _attribute(holder: Any, name: str) -> Any:
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 - a property of a client's class: httpx raises if nothing was read
        return None


def _decoded(text: str | bytes) -> Any:
    if len(text) > _LONGEST_BODY or text.lstrip()[:1] not in ("{", b"{"):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _word(said: Any) -> str | None:
    """`said` if it is a word of few enough."""
    if not isinstance(said, str) or said.lower() in _EMPTY:
        return None
    found = _WORD.fullmatch(said)
    # A text of a class of its own becomes a plain one.
    return found.group() if found else None
