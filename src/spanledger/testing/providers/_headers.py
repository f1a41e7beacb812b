"""The headers that providers put on every reply: request ids and rate limits. Pure."""

from datetime import UTC, datetime

from spanledger.testing.providers._request import RecordedRequest

_REQUESTS_PER_MINUTE = 10_000
_TOKENS_PER_MINUTE = 2_000_000


def request_id(request: RecordedRequest) -> str:
    return f"req_mock_{request.at_index:06d}"


def provider_headers(request: RecordedRequest, status: int, now_s: float) -> dict[str, str]:
    """Request id and rate-limit headers; a 429 has nothing remaining."""
    left = 0 if status == 429 else 1
    match request.vendor:
        case "anthropic":
            return _anthropic(request, left, now_s)
        case "gemini":
            return {"server-timing": "gfet4t7; dur=1", "x-content-type-options": "nosniff"}
        case "bedrock":
            return {"x-amzn-requestid": request_id(request)}
    return {
        "x-request-id": request_id(request),
        "openai-organization": "mock-organization",
        "openai-version": "2020-10-01",
        "openai-processing-ms": "1",
        "x-ratelimit-limit-requests": str(_REQUESTS_PER_MINUTE),
        "x-ratelimit-limit-tokens": str(_TOKENS_PER_MINUTE),
        "x-ratelimit-remaining-requests": str((_REQUESTS_PER_MINUTE - 1) * left),
        "x-ratelimit-remaining-tokens": str((_TOKENS_PER_MINUTE - 1) * left),
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-reset-tokens": "0s",
    }


def _anthropic(request: RecordedRequest, left: int, now_s: float) -> dict[str, str]:
    reset = datetime.fromtimestamp(int(now_s) + 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {
        "request-id": request_id(request),
        "anthropic-organization-id": "mock-organization",
    }
    for kind, limit in (
        ("requests", _REQUESTS_PER_MINUTE),
        ("input-tokens", _TOKENS_PER_MINUTE),
        ("output-tokens", _TOKENS_PER_MINUTE),
    ):
        headers[f"anthropic-ratelimit-{kind}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{kind}-remaining"] = str((limit - 1) * left)
        headers[f"anthropic-ratelimit-{kind}-reset"] = reset
    return headers
