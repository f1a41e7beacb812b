"""The program that runs in other environments: four calls under a limit of two, as JSON.

    python _driver.py '{"instrumentors": ["module:Class"], "kinds": ["chat"]}'

Prints one JSON object: for each kind of call what the caller got, how many requests the mock
provider received, and every span that is a call record.
"""

import asyncio
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spanledger import semconv
from spanledger.guard import Budget, Policy, SpanledgerRefusal, current
from spanledger.instrumentation import _hooks, install, uninstall
from spanledger.processors.attribution import is_inference
from spanledger.testing.providers import Fail, Hang, MockProvider, Reply, UsageSpec
from spanledger.testing.spans import SpanCapture, SpanDict, capture_spans

LIMIT, ASKED = 2, 4
TEXT = "count these four words"
SAY = [{"role": "user", "content": TEXT}]
CHAT = {"model": "gpt-4o-mini", "messages": SAY, "max_tokens": 64}
RESPONSE = {"model": "gpt-4o-mini", "input": TEXT, "max_output_tokens": 64}
MESSAGE = {"model": "claude-haiku-4-5", "messages": SAY, "max_tokens": 64}
EMBEDDING = "text-embedding-3-small"
COMPLETION = {"model": "gpt-3.5-turbo-instruct", "prompt": TEXT, "max_tokens": 64}
IMAGE: dict[str, Any] = {"model": "gpt-image-1", "prompt": TEXT}
SOUND: dict[str, Any] = {"model": "gpt-4o-transcribe", "file": ("a.wav", b"\x80" * 999)}
ON_GROQ = {**CHAT, "model": "llama-3.3-70b-versatile"}
GEMINI = {"model": "gemini-2.5-flash", "contents": TEXT, "config": {"max_output_tokens": 64}}
_ON_BEDROCK = "anthropic.claude-3-haiku-20240307-v1:0"
CONVERSE = {
    "modelId": _ON_BEDROCK,
    "messages": [{"role": "user", "content": [{"text": TEXT}]}],
    "inferenceConfig": {"maxTokens": 64},
}
INVOKE = {
    "modelId": _ON_BEDROCK,
    "body": json.dumps({"anthropic_version": "a", "max_tokens": 64, "messages": SAY}),
}
MISTRAL = {"model": "mistral-small-latest", "messages": SAY, "max_tokens": 64}
COHERE = {"model": "command-r-08-2024", "messages": SAY, "max_tokens": 64}
OLLAMA = {"model": "llama3.2", "messages": SAY, "options": {"num_predict": 64}}
_PRICES = Path(__file__).parents[1] / "gate" / "prices.toml"
RECORDS = {"call", "attempt", "unsent"}

Call = Callable[[], object]


def openai_client(url: str, name: str = "OpenAI") -> Any:
    import openai

    return getattr(openai, name)(base_url=f"{url}/v1", api_key="none", max_retries=2)


def anthropic_client(url: str, name: str = "Anthropic") -> Any:
    import anthropic

    return getattr(anthropic, name)(base_url=url, api_key="none", max_retries=2)


def chat(url: str) -> Call:
    client = openai_client(url)
    return lambda: client.chat.completions.create(**CHAT)


def retries(url: str) -> Call:
    """The first attempt of the first call fails: it takes both calls of the limit."""
    return chat(url)


def chat_stream(url: str) -> Call:
    client = openai_client(url)
    return lambda: list(client.chat.completions.create(**CHAT, stream=True))


def chat_abandoned(url: str) -> Call:
    client = openai_client(url)

    def call() -> None:
        stream = client.chat.completions.create(**CHAT, stream=True)
        next(iter(stream))
        stream.close()

    return call


def chat_async(url: str) -> Call:
    async def call() -> None:
        async with openai_client(url, "AsyncOpenAI") as client:
            await client.chat.completions.create(**CHAT)

    return lambda: asyncio.run(call())


def chat_async_stream(url: str) -> Call:
    async def call() -> None:
        async with openai_client(url, "AsyncOpenAI") as client:
            async for _chunk in await client.chat.completions.create(**CHAT, stream=True):
                pass

    return lambda: asyncio.run(call())


def responses(url: str) -> Call:
    client = openai_client(url)
    return lambda: client.responses.create(**RESPONSE)


def responses_stream(url: str) -> Call:
    client = openai_client(url)
    return lambda: list(client.responses.create(**RESPONSE, stream=True))


def embeddings(url: str) -> Call:
    client = openai_client(url)
    return lambda: client.embeddings.create(model=EMBEDDING, input=TEXT)


def messages(url: str) -> Call:
    client = anthropic_client(url)
    return lambda: client.messages.create(**MESSAGE)


def messages_stream(url: str) -> Call:
    client = anthropic_client(url)
    return lambda: list(client.messages.create(**MESSAGE, stream=True))


def messages_helper(url: str) -> Call:
    client = anthropic_client(url)

    def call() -> None:
        with client.messages.stream(**MESSAGE) as stream:
            list(stream)

    return call


def messages_async(url: str) -> Call:
    async def call() -> None:
        async with anthropic_client(url, "AsyncAnthropic") as client:
            await client.messages.create(**MESSAGE)

    return lambda: asyncio.run(call())


def messages_async_stream(url: str) -> Call:
    async def call() -> None:
        async with anthropic_client(url, "AsyncAnthropic") as client:
            async for _event in await client.messages.create(**MESSAGE, stream=True):
                pass

    return lambda: asyncio.run(call())


def completions(url: str) -> Call:
    client = openai_client(url)
    return lambda: client.completions.create(**COMPLETION)


def images(url: str) -> Call:
    client = openai_client(url)
    return lambda: client.images.generate(**IMAGE)


def transcription(url: str) -> Call:
    client = openai_client(url)
    return lambda: client.audio.transcriptions.create(**SOUND)


def groq_client(url: str, name: str = "Groq") -> Any:
    # The other environments do without it.
    return getattr(importlib.import_module("groq"), name)(base_url=url, api_key="none")


def groq(url: str) -> Call:
    client = groq_client(url)
    return lambda: client.chat.completions.create(**ON_GROQ)


def groq_stream(url: str) -> Call:
    client = groq_client(url)
    return lambda: list(client.chat.completions.create(**ON_GROQ, stream=True))


def groq_async_stream(url: str) -> Call:
    async def call() -> None:
        async with groq_client(url, "AsyncGroq") as client:
            async for _chunk in await client.chat.completions.create(**ON_GROQ, stream=True):
                pass

    return lambda: asyncio.run(call())


def gemini_client(url: str, **retries: Any) -> Any:
    genai: Any = importlib.import_module("google.genai")
    return genai.Client(api_key="none", http_options={"base_url": url, **retries})


def gemini(url: str) -> Call:
    client = gemini_client(url)
    return lambda: client.models.generate_content(**GEMINI)


def gemini_retries(url: str) -> Call:
    """The first attempt of the first call fails: it takes both calls of the limit."""
    delays = {"attempts": 3, "initial_delay": 0.01, "jitter": 0.01}
    client = gemini_client(url, retry_options=delays)
    return lambda: client.models.generate_content(**GEMINI)


def gemini_reconnects(url: str) -> Call:
    """The first connection breaks, and the client's own way over aiohttp makes another one."""
    # It sleeps for a second and some more.
    importlib.import_module("google.genai._api_client").random.randint = min

    async def call() -> None:
        client = gemini_client(url)
        await client.aio.models.generate_content(**GEMINI)

    return lambda: asyncio.run(call())


def gemini_stream(url: str) -> Call:
    client = gemini_client(url)
    return lambda: list(client.models.generate_content_stream(**GEMINI))


def gemini_abandoned(url: str) -> Call:
    client = gemini_client(url)

    def call() -> None:
        for _chunk in client.models.generate_content_stream(**GEMINI):
            break

    return call


def gemini_async(url: str) -> Call:
    async def call() -> None:
        # Held: a client of Google's that is forgotten closes what it has open.
        client = gemini_client(url)
        await client.aio.models.generate_content(**GEMINI)

    return lambda: asyncio.run(call())


def gemini_async_stream(url: str) -> Call:
    async def call() -> None:
        client = gemini_client(url)
        async for _chunk in await client.aio.models.generate_content_stream(**GEMINI):
            pass

    return lambda: asyncio.run(call())


def gemini_async_abandoned(url: str) -> Call:
    async def call() -> None:
        client = gemini_client(url)
        async for _chunk in await client.aio.models.generate_content_stream(**GEMINI):
            break

    return lambda: asyncio.run(call())


def bedrock_client(url: str) -> Any:
    boto3: Any = importlib.import_module("boto3")
    config: Any = importlib.import_module("botocore.config")
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=config.Config(retries={"mode": "standard", "total_max_attempts": 3}),
    )


def converse(url: str) -> Call:
    client = bedrock_client(url)
    return lambda: client.converse(**CONVERSE)


def converse_retries(url: str) -> Call:
    """The first attempt of the first call fails: it takes both calls of the limit."""
    return converse(url)


def converse_stream(url: str) -> Call:
    client = bedrock_client(url)
    return lambda: list(client.converse_stream(**CONVERSE)["stream"])


def converse_abandoned(url: str) -> Call:
    client = bedrock_client(url)

    def call() -> None:
        for _event in client.converse_stream(**CONVERSE)["stream"]:
            break

    return call


def invoke(url: str) -> Call:
    client = bedrock_client(url)

    def call() -> object:
        return client.invoke_model(**INVOKE)["body"].read()

    return call


def invoke_stream(url: str) -> Call:
    client = bedrock_client(url)
    return lambda: list(client.invoke_model_with_response_stream(**INVOKE)["body"])


def mistral_client(url: str, **options: Any) -> Any:
    # Not installed where the types are checked, or in another version.
    sdk: Any = importlib.import_module("mistralai.client")
    return sdk.Mistral(api_key="none", server_url=f"{url}/mistral", **options)


def mistralai(url: str) -> Call:
    client = mistral_client(url)
    return lambda: client.chat.complete(**MISTRAL)


def mistralai_stream(url: str) -> Call:
    client = mistral_client(url)
    return lambda: list(client.chat.stream(**MISTRAL))


def mistralai_async(url: str) -> Call:
    async def call() -> None:
        async with mistral_client(url) as client:
            await client.chat.complete_async(**MISTRAL)

    return lambda: asyncio.run(call())


def mistralai_async_stream(url: str) -> Call:
    async def call() -> None:
        async with mistral_client(url) as client:
            async for _event in await client.chat.stream_async(**MISTRAL):
                pass

    return lambda: asyncio.run(call())


def mistralai_conversation(url: str) -> Call:
    client = mistral_client(url)
    return lambda: client.beta.conversations.start(model=MISTRAL["model"], inputs=TEXT)


def mistralai_abandoned(url: str) -> Call:
    client = mistral_client(url)

    def call() -> None:
        with client.chat.stream(**MISTRAL) as stream:
            next(stream)

    return call


def mistralai_retries(url: str) -> Call:
    """The first attempt of the first call fails: it takes both calls of the limit."""
    utils: Any = importlib.import_module("mistralai.client.utils")
    backoff = utils.BackoffStrategy(10, 20, 1.0, 60_000)
    client = mistral_client(url, retry_config=utils.RetryConfig("backoff", backoff, True))
    return lambda: client.chat.complete(**MISTRAL)


def cohere_client(url: str, name: str = "ClientV2") -> Any:
    return getattr(importlib.import_module("cohere"), name)(api_key="none", base_url=url)


def cohere(url: str) -> Call:
    client = cohere_client(url)
    return lambda: client.chat(**COHERE)


def cohere_stream(url: str) -> Call:
    client = cohere_client(url)
    return lambda: list(client.chat_stream(**COHERE))


def cohere_async(url: str) -> Call:
    async def call() -> None:
        await cohere_client(url, "AsyncClientV2").chat(**COHERE)

    return lambda: asyncio.run(call())


def cohere_async_stream(url: str) -> Call:
    async def call() -> None:
        client = cohere_client(url, "AsyncClientV2")
        async for _event in client.chat_stream(**COHERE):
            pass

    return lambda: asyncio.run(call())


def cohere_v1(url: str) -> Call:
    client = cohere_client(url, "Client")
    return lambda: client.chat(model=COHERE["model"], message=TEXT)


def cohere_v1_stream(url: str) -> Call:
    client = cohere_client(url, "Client")
    return lambda: list(client.chat_stream(model=COHERE["model"], message=TEXT))


def cohere_abandoned(url: str) -> Call:
    client = cohere_client(url)

    def call() -> None:
        for _event in client.chat_stream(**COHERE):
            break

    return call


def cohere_retries(url: str) -> Call:
    """The first attempt of the first call fails: it takes both calls of the limit."""
    client = cohere_client(url)
    return lambda: client.chat(**COHERE, request_options={"max_retries": 2})


def ollama_client(url: str, name: str = "Client") -> Any:
    return getattr(importlib.import_module("ollama"), name)(host=url)


def ollama(url: str) -> Call:
    client = ollama_client(url)
    return lambda: client.chat(**OLLAMA)


def ollama_generate(url: str) -> Call:
    client = ollama_client(url)
    return lambda: client.generate(model=OLLAMA["model"], prompt=TEXT)


def ollama_stream(url: str) -> Call:
    client = ollama_client(url)
    return lambda: list(client.chat(**OLLAMA, stream=True))


def ollama_async(url: str) -> Call:
    async def call() -> None:
        await ollama_client(url, "AsyncClient").chat(**OLLAMA)

    return lambda: asyncio.run(call())


def ollama_async_stream(url: str) -> Call:
    async def call() -> None:
        async for _part in await ollama_client(url, "AsyncClient").chat(**OLLAMA, stream=True):
            pass

    return lambda: asyncio.run(call())


def ollama_abandoned(url: str) -> Call:
    client = ollama_client(url)

    def call() -> None:
        for _part in client.chat(**OLLAMA, stream=True):
            break

    return call


def _litellm() -> Any:
    # It would fetch a table of prices from the network.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    found: Any = importlib.import_module("litellm")
    found.suppress_debug_info = True
    return found


def _by_openai(url: str) -> dict[str, Any]:
    """LiteLLM uses OpenAI's client for this one, which has a gate of its own."""
    return {**CHAT, "model": "openai/gpt-4o-mini", "api_base": f"{url}/v1", "api_key": "none"}


def _by_itself(url: str) -> dict[str, Any]:
    """LiteLLM speaks to this one by itself."""
    model = f"anthropic/{MESSAGE['model']}"
    return {**MESSAGE, "model": model, "api_base": url, "api_key": "none"}


def litellm_openai(url: str) -> Call:
    return lambda: _litellm().completion(**_by_openai(url))


def litellm_openai_stream(url: str) -> Call:
    return lambda: list(_litellm().completion(**_by_openai(url), stream=True))


def litellm_openai_async(url: str) -> Call:
    # It shares its connections among calls, and they belong to one event loop.
    runner = asyncio.Runner()
    return lambda: runner.run(_litellm().acompletion(**_by_openai(url)))


def litellm_anthropic(url: str) -> Call:
    return lambda: _litellm().completion(**_by_itself(url))


def litellm_anthropic_stream(url: str) -> Call:
    return lambda: list(_litellm().completion(**_by_itself(url), stream=True))


def litellm_anthropic_async_stream(url: str) -> Call:
    runner = asyncio.Runner()

    async def call() -> None:
        async for _chunk in await _litellm().acompletion(**_by_itself(url), stream=True):
            pass

    return lambda: runner.run(call())


def litellm_abandoned(url: str) -> Call:
    def call() -> None:
        next(_litellm().completion(**_by_itself(url), stream=True))

    return call


def litellm_retries(url: str) -> Call:
    """OpenAI's client retries inside of it: both attempts of the first call are sent."""
    return lambda: _litellm().completion(**_by_openai(url), max_retries=2)


def litellm_own_retries(url: str) -> Call:
    """LiteLLM's own retries are calls of their own."""
    return lambda: _litellm().completion(**_by_itself(url), num_retries=1)


def litellm_mock(url: str) -> Call:
    return lambda: _litellm().completion(**_by_openai(url), mock_response="Yes.")


def litellm_fallback(url: str) -> Call:
    return lambda: _litellm().completion(**_by_openai(url), fallbacks=[_by_itself(url)])


def litellm_embeddings(url: str) -> Call:
    asked = {"model": f"openai/{EMBEDDING}", "api_base": f"{url}/v1", "api_key": "none"}
    return lambda: _litellm().embedding(**asked, input=[TEXT])


def _langchain(url: str) -> Any:
    # Frameworks are not installed where the types are checked.
    cls = importlib.import_module("langchain_openai").ChatOpenAI
    return cls(model="gpt-4o-mini", base_url=f"{url}/v1", api_key="none", max_tokens=64)


def langchain(url: str) -> Call:
    model = _langchain(url)
    return lambda: model.invoke(TEXT)


def langchain_stream(url: str) -> Call:
    model = _langchain(url)
    return lambda: list(model.stream(TEXT))


def langchain_async(url: str) -> Call:
    # LangChain shares its connections among models, and they belong to one event loop.
    runner, model = asyncio.Runner(), _langchain(url)
    return lambda: runner.run(model.ainvoke(TEXT))


def agents(url: str) -> Call:
    sdk: Any = importlib.import_module("agents")
    sdk.set_tracing_disabled(True)
    agent = sdk.Agent(
        name="planner",
        model=sdk.OpenAIResponsesModel("gpt-4o-mini", openai_client(url, "AsyncOpenAI")),
    )
    return lambda: sdk.Runner.run_sync(agent, TEXT)


def agents_chat(url: str) -> Call:
    sdk: Any = importlib.import_module("agents")
    sdk.set_tracing_disabled(True)
    client = openai_client(url, "AsyncOpenAI")
    agent = sdk.Agent(name="planner", model=sdk.OpenAIChatCompletionsModel("gpt-4o-mini", client))
    return lambda: sdk.Runner.run_sync(agent, TEXT)


def _traced(model: Callable[[Any, Any], Any], url: str) -> Call:
    """An agent whose own tracing is on: what instruments it listens there."""
    sdk: Any = importlib.import_module("agents")
    sdk.set_tracing_disabled(False)
    agent = sdk.Agent(name="planner", model=model(sdk, openai_client(url, "AsyncOpenAI")))
    return lambda: sdk.Runner.run_sync(agent, TEXT)


def agents_traced(url: str) -> Call:
    return _traced(lambda sdk, c: sdk.OpenAIResponsesModel("gpt-4o-mini", c), url)


def agents_chat_traced(url: str) -> Call:
    return _traced(lambda sdk, c: sdk.OpenAIChatCompletionsModel("gpt-4o-mini", c), url)


def mistral(url: str) -> Call:
    # Its spans go to Mistral unless it is told to use the program's own provider.
    os.environ["MISTRAL_SDK_TELEMETRY"] = "global"
    cls = importlib.import_module("mistralai.client").Mistral
    client = cls(api_key="none", server_url=url)
    return lambda: client.chat.complete(model="mistral-small-latest", messages=SAY, max_tokens=64)


def pydantic_ai(url: str) -> Call:
    ai: Any = importlib.import_module("pydantic_ai")
    ai.Agent.instrument_all()
    models: Any = importlib.import_module("pydantic_ai.models.openai")
    providers: Any = importlib.import_module("pydantic_ai.providers.openai")
    client = openai_client(url, "AsyncOpenAI")
    model = models.OpenAIChatModel(
        "gpt-4o-mini", provider=providers.OpenAIProvider(openai_client=client)
    )
    agent = ai.Agent(model, name="planner")
    return lambda: agent.run_sync(TEXT)


def strands(url: str) -> Call:
    sdk: Any = importlib.import_module("strands")
    models: Any = importlib.import_module("strands.models.openai")
    options = {"base_url": f"{url}/v1", "api_key": "none"}

    def call() -> object:
        # An agent remembers what was said: each call is one of a fresh one.
        model = models.OpenAIModel(client_args=options, model_id="gpt-4o-mini")
        return sdk.Agent(model=model, name="planner", callback_handler=None)(TEXT)

    return call


def adk(url: str) -> Call:
    """Google's agents, over Google's client."""
    agents_: Any = importlib.import_module("google.adk.agents")
    runners: Any = importlib.import_module("google.adk.runners")
    types: Any = importlib.import_module("google.genai.types")
    models: Any = importlib.import_module("google.adk.models.google_llm")
    os.environ["GOOGLE_API_KEY"] = "none"
    model = models.Gemini(model="gemini-2.5-flash", base_url=url)
    runner = runners.InMemoryRunner(agents_.LlmAgent(name="planner", model=model), app_name="app")
    said = types.Content(role="user", parts=[types.Part(text=TEXT)])

    async def call() -> None:
        session = await runner.session_service.create_session(app_name="app", user_id="u")
        run = runner.run_async(user_id="u", session_id=session.id, new_message=said)
        async for _event in run:
            pass

    return lambda: asyncio.run(call())


KINDS: dict[str, Callable[[str], Call]] = {
    function.__name__: function
    for function in (
        completions, images, transcription, groq, groq_stream, groq_async_stream,
        chat, retries, chat_stream, chat_abandoned, chat_async, chat_async_stream, responses,
        responses_stream, embeddings, messages, messages_stream, messages_helper,
        messages_async, messages_async_stream, langchain, langchain_stream, langchain_async,
        agents, agents_chat, agents_traced, agents_chat_traced, mistral, pydantic_ai, strands, adk,
        gemini, gemini_retries, gemini_reconnects, gemini_stream, gemini_abandoned,
        gemini_async, gemini_async_stream, gemini_async_abandoned, converse, converse_retries,
        converse_stream, converse_abandoned, invoke, invoke_stream,
        mistralai, mistralai_stream, mistralai_async, mistralai_async_stream,
        mistralai_conversation, mistralai_abandoned, mistralai_retries, cohere, cohere_stream,
        cohere_async, cohere_async_stream, cohere_v1, cohere_v1_stream, cohere_abandoned,
        cohere_retries, ollama, ollama_generate, ollama_stream, ollama_async,
        ollama_async_stream, ollama_abandoned,
        litellm_openai, litellm_openai_stream, litellm_openai_async, litellm_anthropic,
        litellm_anthropic_stream, litellm_anthropic_async_stream, litellm_abandoned,
        litellm_retries, litellm_own_retries, litellm_mock, litellm_fallback, litellm_embeddings,
    )
}  # fmt: skip


def run_kind(provider: MockProvider, capture: SpanCapture, kind: str) -> dict[str, Any]:
    """Four calls of one kind under a fresh limit of two."""
    provider.reset()
    capture.clear()
    if kind.endswith("retries"):
        provider.enqueue(Fail(status=500, retry_after_s=0.01))
    if kind.endswith("reconnects"):
        provider.enqueue(Hang(seconds=0.01))
    if kind == "litellm_fallback":
        provider.enqueue(Fail(status=401))
    if kind.endswith("embeddings"):
        provider.on(EMBEDDING, Reply(usage=UsageSpec(input_tokens=1000, output_tokens=0)))
    call = KINDS[kind](provider.url)
    install(
        environ={},
        overrides={
            "export.mode": "off",
            "guard.store": "memory",
            "pricing.overrides": str(_PRICES),
        },
        policy=Policy((Budget("small", "calls", LIMIT), Budget("money", "cost", 10**15))),
    )
    try:
        outcomes = [outcome(call) for _ in range(ASKED)]
        opened = current().store.open_reservations()  # type: ignore[attr-defined]  # memory
        spent = sum(counter.spent for _key, counter in current().store.counters("money"))
    finally:
        uninstall()
    spans = capture.spans
    return {
        "sent": provider.calls(),
        "outcomes": outcomes,
        "open": opened,
        "spent_nano_usd": spent,
        "records": [plain(span) for span in spans if is_record(span)],
        "spans": [[s["scope"], s["name"], s["attributes"].get(semconv.BILLING)] for s in spans],
    }


def outcome(call: Call) -> str:
    """``ok``, or the exception that the caller sees, and the refusal inside it if wrapped."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - the type is the result
        return "refused" if isinstance(error, SpanledgerRefusal) else f"wrapped: {_chain(error)}"
    return "ok"


def _chain(error: BaseException | None) -> str:
    names = []
    while error is not None:
        names.append(f"{type(error).__name__}({str(error)[:200]})")
        error = error.__cause__ or error.__context__
    return " < ".join(names)


def is_record(span: SpanDict) -> bool:
    """Whether the warehouse makes a call record of this span."""
    billing = span["attributes"].get(semconv.BILLING)
    return billing in RECORDS if billing else is_inference(span["attributes"])


def plain(span: SpanDict) -> dict[str, Any]:
    found = span["attributes"]
    return {
        "scope": span["scope"],
        "billing": found.get(semconv.BILLING),
        "input": found.get(semconv.USAGE_INPUT_TOKENS),
        "output": found.get(semconv.USAGE_OUTPUT_TOKENS),
        "cost": found.get(semconv.COST_NANO_USD),
        "attempt": found.get(semconv.CALL_ATTEMPT, 1),
        "source": found.get(semconv.USAGE_SOURCE, "provider"),
    }


def instrument(target: str) -> None:
    """Switch on an instrumentation, named as ``module:Class``."""
    module, _, name = target.partition(":")
    getattr(importlib.import_module(module), name)().instrument()


def main() -> None:
    spec = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.ERROR)
    if "SPANLEDGER_TEST_NO_GATES" in os.environ:
        # As if nobody had written a gate for these clients: only their spans tell of calls.
        vars(_hooks)["CLIENTS"] = ()
    for target in spec["instrumentors"]:
        instrument(target)
    usual = Reply(usage=UsageSpec(input_tokens=1000, output_tokens=500))
    # One provider of spans for all: other instrumentations keep the tracer of the first.
    with MockProvider(usual) as provider, capture_spans(as_global=True) as capture:
        found = {kind: run_kind(provider, capture, kind) for kind in spec["kinds"]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
