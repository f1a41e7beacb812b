"""The program that runs in other environments: four calls under a limit of two, as JSON.

    python _driver.py '{"instrumentors": ["module:Class"], "kinds": ["chat"]}'

Prints one JSON object: for each kind of call what the caller got, how many requests the mock
provider received, and every span that is a call record.
"""

import asyncio
import importlib
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

from spanledger import semconv
from spanledger.guard import Budget, Policy, SpanledgerRefusal, current
from spanledger.instrumentation import install, uninstall
from spanledger.processors.attribution import is_inference
from spanledger.testing.providers import Fail, MockProvider, Reply, UsageSpec
from spanledger.testing.spans import SpanCapture, SpanDict, capture_spans

LIMIT, ASKED = 2, 4
TEXT = "count these four words"
SAY = [{"role": "user", "content": TEXT}]
CHAT = {"model": "gpt-4o-mini", "messages": SAY, "max_tokens": 64}
RESPONSE = {"model": "gpt-4o-mini", "input": TEXT, "max_output_tokens": 64}
MESSAGE = {"model": "claude-haiku-4-5", "messages": SAY, "max_tokens": 64}
EMBEDDING = "text-embedding-3-small"
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


KINDS: dict[str, Callable[[str], Call]] = {
    function.__name__: function
    for function in (
        chat, retries, chat_stream, chat_abandoned, chat_async, chat_async_stream, responses,
        responses_stream, embeddings, messages, messages_stream, messages_helper,
        messages_async, messages_async_stream, langchain, langchain_stream, langchain_async,
        agents, agents_chat,
    )
}  # fmt: skip


def run_kind(provider: MockProvider, capture: SpanCapture, kind: str) -> dict[str, Any]:
    """Four calls of one kind under a fresh limit of two."""
    provider.reset()
    capture.clear()
    if kind == "retries":
        provider.enqueue(Fail(status=500, retry_after_s=0.01))
    if kind == "embeddings":
        provider.on(EMBEDDING, Reply(usage=UsageSpec(input_tokens=1000, output_tokens=0)))
    call = KINDS[kind](provider.url)
    install(
        environ={},
        overrides={"export.mode": "off"},
        policy=Policy((Budget("small", "calls", LIMIT),)),
    )
    try:
        outcomes = [outcome(call) for _ in range(ASKED)]
        opened = current().store.open_reservations()  # type: ignore[attr-defined]  # memory
    finally:
        uninstall()
    spans = capture.spans
    return {
        "sent": provider.calls(),
        "outcomes": outcomes,
        "open": opened,
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
    for target in spec["instrumentors"]:
        instrument(target)
    usual = Reply(usage=UsageSpec(input_tokens=1000, output_tokens=500))
    # One provider of spans for all: other instrumentations keep the tracer of the first.
    with MockProvider(usual) as provider, capture_spans(as_global=True) as capture:
        found = {kind: run_kind(provider, capture, kind) for kind in spec["kinds"]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
