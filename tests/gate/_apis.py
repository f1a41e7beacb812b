"""The endpoints that are gated, called alike: the same code for plain and async clients."""

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from spanledger.testing.providers import MockProvider

Library = Literal[
    "openai",
    "anthropic",
    "google-genai",
    "boto3",
    "mistralai",
    "cohere",
    "ollama",
    "groq",
    "anthropic-bedrock",
    "anthropic-vertex",
]

#: A word is a token to the mock provider: four in.
PROMPT = "count these four words"

_HAIKU_ON_BEDROCK = "anthropic.claude-3-haiku-20240307-v1:0"

#: Dollars for a million tokens, input and output, as the providers publish them.
PRICES_USD_PER_MTOK = {
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-3.5-turbo-instruct": (1.50, 2.00),
    "llama-3.3-70b-versatile": (0.59, 0.79),
    "claude-haiku-4-5@20251001": (1.00, 5.00),
    "claude-haiku-4-5": (1.00, 5.00),
    "text-embedding-3-small": (0.02, 0.0),
    "gemini-2.5-flash": (0.30, 2.50),
    "gemini-embedding-001": (0.15, 0.0),
    _HAIKU_ON_BEDROCK: (0.25, 1.25),
    "mistral-small-latest": (0.15, 0.60),
    "mistral-embed": (0.10, 0.0),
    "command-r-08-2024": (0.15, 0.60),
    # Not published: see prices.toml.
    "llama3.2": (0.05, 0.10),
}


def cost_nano_usd(model: str, input_tokens: int, output_tokens: int) -> int:
    """What a call costs, worked out by hand: a dollar a million tokens is 1000 nano-USD each."""
    inside, outside = PRICES_USD_PER_MTOK[model]
    return round(input_tokens * inside * 1000 + output_tokens * outside * 1000)


@dataclass(frozen=True)
class Api:
    """One endpoint: how it is called, and how text is found in its answers and chunks."""

    name: str
    library: Library
    model: str
    operation: str
    endpoint: Callable[[Any], Any]
    body: dict[str, Any] = field(hash=False)
    provider: str = ""
    #: Methods of the endpoint; where both are one, a stream is asked for by an argument.
    methods: tuple[str, str] = ("create", "create")
    #: The answers say which model gave them.
    names_model: bool = True
    #: Nothing is sent before the first chunk is asked for.
    lazy: bool = False
    #: The client tries again by itself.
    retries: bool = True
    retries_streams: bool = True
    #: The client drops its stream where others close it.
    drops: bool = False

    def create(self, client: Any, **extra: Any) -> Any:
        """The call; something to await if the client is async."""
        return getattr(self.endpoint(client), self.methods[0])(**{**self.body, **extra})

    def stream(self, client: Any, **extra: Any) -> Any:
        """A stream that can be iterated, closed and used as a block."""
        if self.methods[0] == self.methods[1]:
            return self.create(client, stream=True, **extra)
        made = getattr(self.endpoint(client), self.methods[1])(**{**self.body, **extra})
        if hasattr(made, "__await__") or hasattr(made, "__anext__"):
            return _reading(made, client)
        return Reading(_events_in(made), client)

    def client(self, provider: MockProvider, **options: Any) -> Any:
        return _MAKERS[self.library](provider, options, asynchronous=False)

    def async_client(self, provider: MockProvider, **options: Any) -> Any:
        return _MAKERS[self.library](provider, options, asynchronous=True)

    @contextmanager
    def open(self, provider: MockProvider, **options: Any) -> Iterator[Any]:
        """A client that is closed at the end of the block."""
        with closing(self.client(provider, **options)) as client:
            yield client

    @asynccontextmanager
    async def open_async(self, provider: MockProvider, **options: Any) -> AsyncIterator[Any]:
        client = self.async_client(provider, **options)
        try:
            yield client
        finally:
            await (client.aclose() if hasattr(client, "aclose") else client.close())


def _events_in(made: Any) -> Any:
    """The stream in an answer of boto3, under one of two names."""
    return made.get("stream", made.get("body")) if isinstance(made, dict) else made


async def _reading(made: Any, client: Any) -> "AsyncReading":
    return AsyncReading(await made if hasattr(made, "__await__") else made, client)


class Reading:
    """A plain iterator, closed and used as a block like the streams of other clients.

    It holds its client, which would close its connections if it were forgotten.
    """

    def __init__(self, stream: Any, client: Any) -> None:
        self._stream = stream
        self._client = client
        self._chunks: Iterator[Any] | None = None

    def __iter__(self) -> "Reading":
        return self

    def __next__(self) -> Any:
        if self._chunks is None:
            self._chunks = iter(self._stream)
        return next(self._chunks)

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class AsyncReading:
    """The same for coroutines."""

    def __init__(self, stream: Any, client: Any) -> None:
        self._stream = stream
        self._client = client

    def __aiter__(self) -> "AsyncReading":
        return self

    async def __anext__(self) -> Any:
        return await anext(self._stream)

    async def close(self) -> None:
        close = getattr(self._stream, "aclose", None) or self._stream.close
        await close()

    async def __aenter__(self) -> "AsyncReading":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()


# --- clients -------------------------------------------------------------------------------


def _openai(provider: MockProvider, options: dict[str, Any], *, asynchronous: bool) -> Any:
    import openai

    return _stainless(
        openai.AsyncOpenAI if asynchronous else openai.OpenAI, provider.openai_base_url, options
    )


def _anthropic(provider: MockProvider, options: dict[str, Any], *, asynchronous: bool) -> Any:
    import anthropic

    cls = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
    return _stainless(cls, provider.anthropic_base_url, options)


def _groq(provider: MockProvider, options: dict[str, Any], *, asynchronous: bool) -> Any:
    import groq

    return _stainless(groq.AsyncGroq if asynchronous else groq.Groq, provider.url, options)


def _on_bedrock(provider: MockProvider, options: dict[str, Any], *, asynchronous: bool) -> Any:
    import anthropic

    cls = anthropic.AsyncAnthropicBedrock if asynchronous else anthropic.AnthropicBedrock
    keys = {"aws_access_key": "none", "aws_secret_key": "none", "aws_region": "us-east-1"}
    return cls(**{"base_url": provider.url, "max_retries": 0, **keys, **options})


def _on_vertex(provider: MockProvider, options: dict[str, Any], *, asynchronous: bool) -> Any:
    import anthropic

    cls = anthropic.AsyncAnthropicVertex if asynchronous else anthropic.AnthropicVertex
    place = {"region": "us-east5", "project_id": "project", "access_token": "none"}
    return cls(**{"base_url": provider.url, "max_retries": 0, **place, **options})


def _stainless(cls: Any, url: str, options: dict[str, Any]) -> Any:
    return cls(**{"base_url": url, "api_key": "none", "max_retries": 0, **options})


def _google(provider: MockProvider, options: dict[str, Any], *, asynchronous: bool) -> Any:
    from google import genai

    http: dict[str, Any] = {"base_url": options.pop("base_url", provider.google_base_url)}
    if (timeout_s := options.pop("timeout", None)) is not None:
        http["timeout"] = int(timeout_s * 1000)
    if retries := options.pop("max_retries", 0):
        delays = {"initial_delay": options.pop("delay_s", 0.01), "jitter": 0.01}
        http["retry_options"] = {"attempts": retries + 1, **delays}
    client = genai.Client(**{"api_key": "none", "http_options": http, **options})
    return client.aio if asynchronous else client


def _boto3(provider: MockProvider, options: dict[str, Any], *, asynchronous: bool) -> Any:
    # They ship no types.
    boto3: Any = importlib.import_module("boto3")
    config_of: Any = importlib.import_module("botocore.config").Config
    assert not asynchronous
    url = options.pop("base_url", provider.bedrock_endpoint_url)
    config = config_of(
        retries={"total_max_attempts": options.pop("max_retries", 0) + 1, "mode": "standard"},
        read_timeout=options.pop("timeout", 30),
    )
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=config,
        **options,
    )


def _mistral(provider: MockProvider, options: dict[str, Any], *, asynchronous: bool) -> Any:
    from mistralai.client import Mistral
    from mistralai.client.utils import BackoffStrategy, RetryConfig

    more: dict[str, Any] = {"server_url": options.pop("base_url", provider.mistral_server_url)}
    if (timeout_s := options.pop("timeout", None)) is not None:
        more["timeout_ms"] = int(timeout_s * 1000)
    if retries := options.pop("max_retries", 0):
        backoff = BackoffStrategy(10, 20, 1.0, _Attempts(retries), 10)
        more["retry_config"] = RetryConfig("backoff", backoff, True)
    client = Mistral(api_key="none", **more, **options)
    return _AsyncMistral(client) if asynchronous else _Mistral(client)


class _Attempts(int):
    """A time that is over after so many looks at it: Mistral's client counts no attempts."""

    def __init__(self, retries: int) -> None:
        self._left = retries

    def __lt__(self, _elapsed_ms: int) -> bool:
        self._left -= 1
        return self._left < 0


class _Mistral:
    """Mistral's client with the names of the other ones."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.chat, self.embeddings = client.chat, client.embeddings

    def close(self) -> None:
        self._client.__exit__(None, None, None)


class _AsyncMistral:
    """The same for its methods that are coroutines."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.chat = _Methods(complete=client.chat.complete_async, stream=client.chat.stream_async)
        self.embeddings = _Methods(create=client.embeddings.create_async)

    async def aclose(self) -> None:
        await self._client.__aexit__(None, None, None)


class _Methods:
    def __init__(self, **methods: Any) -> None:
        self.__dict__.update(methods)


def _cohere(provider: MockProvider, options: dict[str, Any], *, asynchronous: bool) -> Any:
    import cohere
    from cohere.core import http_client

    http_client.INITIAL_RETRY_DELAY_SECONDS = 0.01
    cls = cohere.AsyncClientV2 if asynchronous else cohere.ClientV2
    retries = {"max_retries": options.pop("max_retries", 0)}
    url = options.pop("base_url", provider.cohere_base_url)
    client: Any = cls(api_key="none", base_url=url, **options)
    methods = {
        name: partial(getattr(client, name), request_options=retries)
        for name in ("chat", "chat_stream", "embed")
    }
    http: Any = client._client_wrapper.httpx_client.httpx_client
    close = {"aclose": http.aclose} if asynchronous else {"close": http.close}
    return _Methods(**methods, **close, client=client)


def _ollama(provider: MockProvider, options: dict[str, Any], *, asynchronous: bool) -> Any:
    import ollama

    options.pop("max_retries", None)
    cls = ollama.AsyncClient if asynchronous else ollama.Client
    client: Any = cls(
        host=options.pop("base_url", provider.ollama_host).removesuffix("/v1"), **options
    )
    close = client._client.aclose if asynchronous else client._client.close
    return _Methods(
        chat=client.chat,
        chat_stream=partial(client.chat, stream=True),
        embed=client.embed,
        **{"aclose" if asynchronous else "close": close},
        client=client,
    )


_MAKERS: dict[Library, Callable[..., Any]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "groq": _groq,
    "anthropic-bedrock": _on_bedrock,
    "anthropic-vertex": _on_vertex,
    "google-genai": _google,
    "boto3": _boto3,
    "mistralai": _mistral,
    "cohere": _cohere,
    "ollama": _ollama,
}

# --- endpoints -----------------------------------------------------------------------------

_MESSAGES = [{"role": "user", "content": PROMPT}]

CHAT = Api(
    "chat",
    "openai",
    "gpt-4o-mini",
    "chat",
    lambda client: client.chat.completions,
    {"model": "gpt-4o-mini", "messages": _MESSAGES, "max_tokens": 64},
    "openai",
)
RESPONSES = Api(
    "responses",
    "openai",
    "gpt-4o-mini",
    "chat",
    lambda client: client.responses,
    {"model": "gpt-4o-mini", "input": PROMPT, "max_output_tokens": 64},
    "openai",
)
MESSAGES = Api(
    "messages",
    "anthropic",
    "claude-haiku-4-5",
    "chat",
    lambda client: client.messages,
    {"model": "claude-haiku-4-5", "messages": _MESSAGES, "max_tokens": 64},
    "anthropic",
)
COMPLETIONS = Api(
    "completions",
    "openai",
    "gpt-3.5-turbo-instruct",
    "text_completion",
    lambda client: client.completions,
    {"model": "gpt-3.5-turbo-instruct", "prompt": PROMPT, "max_tokens": 64},
    "openai",
)
GROQ = Api(
    "groq",
    "groq",
    "llama-3.3-70b-versatile",
    "chat",
    lambda client: client.chat.completions,
    {"model": "llama-3.3-70b-versatile", "messages": _MESSAGES, "max_tokens": 64},
    "groq",
)
ON_BEDROCK = Api(
    "messages-bedrock",
    "anthropic-bedrock",
    _HAIKU_ON_BEDROCK,
    "chat",
    lambda client: client.messages,
    {"model": _HAIKU_ON_BEDROCK, "messages": _MESSAGES, "max_tokens": 64},
    "aws.bedrock",
)
ON_VERTEX = Api(
    "messages-vertex",
    "anthropic-vertex",
    "claude-haiku-4-5@20251001",
    "chat",
    lambda client: client.messages,
    {"model": "claude-haiku-4-5@20251001", "messages": _MESSAGES, "max_tokens": 64},
    "gcp.vertex_ai",
)
EMBEDDINGS = Api(
    "embeddings",
    "openai",
    "text-embedding-3-small",
    "embeddings",
    lambda client: client.embeddings,
    {"model": "text-embedding-3-small", "input": PROMPT},
    "openai",
)
GEMINI = Api(
    "gemini",
    "google-genai",
    "gemini-2.5-flash",
    "generate_content",
    lambda client: client.models,
    {"model": "gemini-2.5-flash", "contents": PROMPT, "config": {"max_output_tokens": 64}},
    "gcp.gemini",
    ("generate_content", "generate_content_stream"),
    lazy=True,
    drops=True,
)
GEMINI_EMBEDDINGS = Api(
    "gemini-embeddings",
    "google-genai",
    "gemini-embedding-001",
    "embeddings",
    lambda client: client.models,
    {"model": "gemini-embedding-001", "contents": PROMPT},
    "gcp.gemini",
    ("embed_content", ""),
    names_model=False,
)
CONVERSE = Api(
    "converse",
    "boto3",
    _HAIKU_ON_BEDROCK,
    "chat",
    lambda client: client,
    {
        "modelId": _HAIKU_ON_BEDROCK,
        "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
        "inferenceConfig": {"maxTokens": 64},
    },
    "aws.bedrock",
    ("converse", "converse_stream"),
    names_model=False,
)

MISTRAL = Api(
    "mistral",
    "mistralai",
    "mistral-small-latest",
    "chat",
    lambda client: client.chat,
    {"model": "mistral-small-latest", "messages": _MESSAGES, "max_tokens": 64},
    "mistral_ai",
    ("complete", "stream"),
)
MISTRAL_EMBEDDINGS = Api(
    "mistral-embeddings",
    "mistralai",
    "mistral-embed",
    "embeddings",
    lambda client: client.embeddings,
    {"model": "mistral-embed", "inputs": [PROMPT]},
    "mistral_ai",
    ("create", ""),
)
COHERE = Api(
    "cohere",
    "cohere",
    "command-r-08-2024",
    "chat",
    lambda client: client,
    {"model": "command-r-08-2024", "messages": _MESSAGES, "max_tokens": 64},
    "cohere",
    ("chat", "chat_stream"),
    names_model=False,
    lazy=True,
    retries_streams=False,
)
OLLAMA = Api(
    "ollama",
    "ollama",
    "llama3.2",
    "chat",
    lambda client: client,
    {"model": "llama3.2", "messages": _MESSAGES, "options": {"num_predict": 64}},
    "ollama",
    ("chat", "chat_stream"),
    lazy=True,
    retries=False,
)

#: What Stainless made has helpers, raw responses and a funnel that others do not have.
STAINLESS = (CHAT, RESPONSES, MESSAGES)
ASYNC_STREAMING = (
    *STAINLESS,
    COMPLETIONS,
    GROQ,
    ON_BEDROCK,
    ON_VERTEX,
    GEMINI,
    MISTRAL,
    COHERE,
    OLLAMA,
)
STREAMING = (*ASYNC_STREAMING, CONVERSE)
ASYNC_ALL = (*ASYNC_STREAMING, EMBEDDINGS, GEMINI_EMBEDDINGS, MISTRAL_EMBEDDINGS)
ALL = (*STREAMING, EMBEDDINGS, GEMINI_EMBEDDINGS, MISTRAL_EMBEDDINGS)

#: What Stainless's clients call an error, in the words of the others.
_ERRORS: dict[str, dict[str, str]] = {
    "google-genai": {
        "InternalServerError": "google.genai.errors.ServerError",
        "AuthenticationError": "google.genai.errors.ClientError",
        "APIConnectionError": "httpx2.ConnectError",
        "APITimeoutError": "httpx2.ReadTimeout",
    },
    "boto3": {
        "InternalServerError": "botocore.exceptions.ClientError",
        "AuthenticationError": "botocore.exceptions.ClientError",
        "APIConnectionError": "botocore.exceptions.EndpointConnectionError",
        "APITimeoutError": "botocore.exceptions.ReadTimeoutError",
    },
    "mistralai": {
        "InternalServerError": "mistralai.client.errors.SDKError",
        "AuthenticationError": "mistralai.client.errors.SDKError",
        "APIConnectionError": "httpx2.ConnectError",
        "APITimeoutError": "httpx2.ReadTimeout",
    },
    "cohere": {
        "InternalServerError": "cohere.InternalServerError",
        "AuthenticationError": "cohere.UnauthorizedError",
        "APIConnectionError": "httpx.ConnectError",
        "APITimeoutError": "httpx.ReadTimeout",
    },
    "ollama": {
        "InternalServerError": "ollama.ResponseError",
        "AuthenticationError": "ollama.ResponseError",
        "APIConnectionError": "builtins.ConnectionError",
        "APITimeoutError": "httpx.ReadTimeout",
    },
}


def error_of(library: str, name: str) -> type[Exception]:
    """The exception class of a library that OpenAI's and Anthropic's clients call `name`."""
    path = _ERRORS.get(library, {}).get(name, f"{library.partition('-')[0]}.{name}")
    module, _, cls = path.rpartition(".")
    found: type[Exception] = getattr(importlib.import_module(module), cls)
    return found
