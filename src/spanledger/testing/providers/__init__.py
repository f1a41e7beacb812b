"""Mock providers: the wire formats of OpenAI, Anthropic, Gemini, Bedrock and others, offline.

`MockProvider` is a local server; `mock_transport` answers inside the process. Both follow a
`ProviderScript` of behaviours and record every request::

    with MockProvider() as provider:
        provider.enqueue(Reply(text="Hello"), Fail(status=429, retry_after_s=1))
        client = OpenAI(base_url=provider.openai_base_url, api_key="none")

What an unscripted reply says and costs: `count_tokens` and `count_input_tokens`.
Also ``python -m spanledger.testing.providers --print-url``.
"""

from spanledger.testing.providers._behaviours import (
    Behaviour,
    CutStream,
    Fail,
    Hang,
    Malformed,
    Reply,
    StreamError,
    ToolCall,
    UsageSpec,
)
from spanledger.testing.providers._request import RecordedRequest
from spanledger.testing.providers._script import BehaviourSource, ProviderScript
from spanledger.testing.providers._server import MockProvider
from spanledger.testing.providers._tokens import count_input_tokens, count_tokens
from spanledger.testing.providers._transports import (
    http_library,
    mock_async_http_client,
    mock_http_client,
    mock_transport,
)

__all__ = [
    "Behaviour",
    "BehaviourSource",
    "CutStream",
    "Fail",
    "Hang",
    "Malformed",
    "MockProvider",
    "ProviderScript",
    "RecordedRequest",
    "Reply",
    "StreamError",
    "ToolCall",
    "UsageSpec",
    "count_input_tokens",
    "count_tokens",
    "http_library",
    "mock_async_http_client",
    "mock_http_client",
    "mock_transport",
]
