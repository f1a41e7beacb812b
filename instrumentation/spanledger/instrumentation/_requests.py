"""Reading a request of a client made by Stainless, and changing it where its user wants that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from spanledger.instrumentation._facts import Dialect, Request
from spanledger.instrumentation._options import options


@dataclass(frozen=True, slots=True)
class Client:
    """One client library: where its funnel is and how its requests are read."""

    name: str
    dialect_of: Callable[[str], Dialect | None]
    provider_of: Callable[[str], str]
    #: Changes to a body before it is sent; None for "leave it".
    with_usage: Callable[[Mapping[str, Any]], dict[str, Any] | None] | None = None
    with_output_limit: Callable[[Mapping[str, Any], int], dict[str, Any] | None] | None = None


def read_request(
    client: Client, dialect: Dialect, instance: Any, request_options: Any
) -> tuple[Request, bool]:
    """The request as it will be sent, and whether it asks for usage only because we do."""
    body = request_options.json_data
    if type(body) is not dict:
        body = body if isinstance(body, Mapping) else {}
    asked = _asks_usage(client, request_options, body)
    if asked is not None:
        body = request_options.json_data = asked
    limited = _limited(client, dialect, body)
    if limited is not None:
        body = request_options.json_data = limited
    provider, host = _target(client, instance)
    model, max_output_tokens, choices = dialect.read_request(body)
    request = Request(
        dialect.operation,
        provider,
        model,
        body,
        bool(body.get("stream")),
        max_output_tokens,
        choices,
        host,
    )
    return request, asked is not None


def _target(client: Client, instance: Any) -> tuple[str, str]:
    """Provider and host that a client talks to; parsed once, its address may be changed later."""
    base_url = instance._base_url
    known = instance.__dict__.get("_spanledger_target")
    if known is None or known[0] is not base_url:
        address = str(base_url)
        known = (base_url, client.provider_of(address), urlsplit(address).hostname or "")
        instance.__dict__["_spanledger_target"] = known
    return known[1], known[2]


def _asks_usage(client: Client, request_options: Any, body: Mapping[str, Any]) -> Any:
    """A body that asks for usage. Not for raw responses: there the extra chunk can't be hidden."""
    if client.with_usage is None or not options.include_usage:
        return None
    asked = client.with_usage(body)
    if asked is None:
        return None
    headers = request_options.headers
    raw = isinstance(headers, Mapping) and "X-Stainless-Raw-Response" in headers
    return None if raw else asked


def _limited(client: Client, dialect: Dialect, body: Mapping[str, Any]) -> Any:
    if client.with_output_limit is None or options.default_max_output_tokens is None:
        return None
    if dialect.operation == "embeddings":
        # Its answer has no tokens, and the provider refuses a limit it does not know.
        return None
    return client.with_output_limit(body, options.default_max_output_tokens)
