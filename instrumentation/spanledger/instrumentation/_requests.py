"""Reading a request of a client made by Stainless, and changing it where its user wants that."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from spanledger.instrumentation._content import UPLOADS
from spanledger.instrumentation._facts import Dialect, Request
from spanledger.instrumentation._options import options
from spanledger.instrumentation._uploads import uploads_of
from spanledger.lean import make


@dataclass(frozen=True, slots=True)
class Client:
    """One client library: where its funnel is and how its requests are read."""

    name: str
    dialect_of: Callable[[str], Dialect | None]
    #: From the address of a client and the names of its classes.
    provider_of: Callable[[str, tuple[str, ...]], str]


def read_request(
    client: Client, dialect: Dialect, instance: Any, request_options: Any
) -> tuple[Request, bool]:
    """The request as it will be sent, and whether it asks for usage only because we do."""
    body = request_options.json_data
    if type(body) is not dict or getattr(request_options, "extra_json", None):
        body = _body(request_options)
    asked = _asks_usage(dialect, request_options, body) if body.get("stream") else None
    if asked is not None:
        body = _replace(request_options, asked)
    limit = options.default_max_output_tokens
    if limit is not None and isinstance(request_options.json_data, Mapping):
        limited = dialect.with_output_limit(body, limit)
        if limited is not None:
            body = _replace(request_options, limited)
    provider, host = _target(client, instance)
    wanted = dialect.read_request(body)
    if files := getattr(request_options, "files", None):
        body = {**body, UPLOADS: uploads_of(dialect, files)}
    request = (
        dialect.operation,
        provider,
        wanted.model,
        body,
        bool(body.get("stream")),
        wanted.max_output_tokens,
        wanted.choices,
        host,
        wanted.output,
    )
    return make(Request, request), asked is not None


def _body(request_options: Any) -> Mapping[str, Any]:
    """The body as it will be sent: ``extra_body`` is laid over it by the client later."""
    body = request_options.json_data
    if type(body) is not dict:
        body = _of_other(body, request_options)
    extra = getattr(request_options, "extra_json", None)
    return {**body, **extra} if isinstance(extra, Mapping) and extra else body


def _replace(request_options: Any, body: dict[str, Any]) -> dict[str, Any]:
    """Send another body. What was laid over the first one is in it already."""
    request_options.json_data = body
    if getattr(request_options, "extra_json", None):
        request_options.extra_json = None
    return body


def _of_other(body: Any, request_options: Any) -> Mapping[str, Any]:
    if isinstance(body, Mapping):
        return body
    raw = body if body is not None else getattr(request_options, "content", None)
    if not isinstance(raw, (bytes, bytearray)):
        return {}
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _target(client: Client, instance: Any) -> tuple[str, str]:
    """Provider and host that a client talks to; parsed once, its address may be changed later."""
    base_url = instance._base_url
    known = instance.__dict__.get("_spanledger_target")
    if known is None or known[0] is not base_url:
        address = str(base_url)
        classes = tuple(cls.__name__ for cls in type(instance).__mro__)
        provider = client.provider_of(address, classes)
        known = (base_url, provider, urlsplit(address).hostname or "")
        instance.__dict__["_spanledger_target"] = known
    return known[1], known[2]


def _asks_usage(dialect: Dialect, request_options: Any, body: Mapping[str, Any]) -> Any:
    """A body that asks for usage. Not for raw responses: there the extra chunk can't be hidden."""
    if not options.include_usage:
        return None
    if not isinstance(request_options.json_data, Mapping):
        # Raw bytes are sent as they are.
        return None
    asked = dialect.with_usage(body)
    if asked is None:
        return None
    headers = request_options.headers
    raw = isinstance(headers, Mapping) and "X-Stainless-Raw-Response" in headers
    return None if raw else asked
