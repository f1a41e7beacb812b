"""Agents inside frameworks; run in an environment of their own: `_frameworks.py NAME`.

Prints one JSON object: what the caller saw, and how many requests the provider received.
"""

import gc
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import openai

from spanledger import semconv
from spanledger.guard import Budget, Policy, SpanledgerRefusal, current
from spanledger.instrumentation import install, uninstall
from spanledger.testing.providers import MockProvider, Reply, ToolCall, UsageSpec
from spanledger.testing.spans import SpanCapture, capture_spans

MODEL = "gpt-4o-mini"
SAY = [{"role": "user", "content": "count these four words"}]
OFFICIAL = "opentelemetry.instrumentation.genai"
USUAL = Reply(text="Yes.", usage=UsageSpec(input_tokens=1000, output_tokens=500))
#: Up to $0.12 at the $0.60 for a million tokens of the model. What else is asked fits in $0.10.
TOO_MUCH = {"max_tokens": 16_000, "n": 12}
#: The model wants the tool first.
WANTS_TOOL = Reply(tool_calls=(ToolCall(name="research", arguments={"topic": "x"}),))


def instrument(*targets: str) -> None:
    """Switch on instrumentations, named as ``module:Class``."""
    for target in targets:
        module, _, name = target.partition(":")
        getattr(importlib.import_module(module), name)().instrument()


def limited(calls: int) -> AbstractContextManager[SpanCapture]:
    """So many calls may be made."""
    return held_to(Budget("calls", "calls", calls), Budget("cost", "cost", 10**12))


def tripping() -> AbstractContextManager[SpanCapture]:
    """Calls of up to $0.10 in all; the first one that may cost more than is left trips it."""
    return held_to(Budget("cost", "cost", 100_000_000, trip=True))


@contextmanager
def held_to(*budgets: Budget) -> Iterator[SpanCapture]:
    with capture_spans(as_global=True) as capture:
        install(
            environ={},
            overrides={"export.mode": "off", "guard.store": "memory"},
            policy=Policy(budgets),
        )
        try:
            yield capture
        finally:
            uninstall()


def ask(provider: MockProvider, **extra: Any) -> Any:
    client = openai.OpenAI(base_url=provider.openai_base_url, api_key="none")
    body: dict[str, Any] = {"model": MODEL, "messages": SAY, "max_tokens": 64, **extra}
    return client.chat.completions.create(**body)


def outcome(call: Callable[[], object]) -> str:
    """``ok``, or the refusal's name, or another error."""
    try:
        call()
    except SpanledgerRefusal as refusal:
        return type(refusal).__name__
    except Exception as error:  # noqa: BLE001 - its kind is the result
        return f"{type(error).__name__}: {error}"
    return "ok"


def spent() -> dict[str, list[int]]:
    """Spent and reserved by rule."""
    return {key.rule: [c.spent, c.reserved] for key, c in current().store.counters()}


def records(capture: SpanCapture) -> list[int | None]:
    """The cost of each call record."""
    kinds = {"call", "attempt", "unsent"}
    found: list[Any] = [span["attributes"] for span in capture.spans]
    return [a.get(semconv.COST_NANO_USD) for a in found if a.get(semconv.BILLING) in kinds]


# --- 5: a span that never ends --------------------------------------------------------------------


def abandoned_under_an_instrumentation_that_never_ends_its_span(
    provider: MockProvider,
) -> dict[str, Any]:
    instrument(f"{OFFICIAL}.openai:OpenAIInstrumentor")
    with limited(9):
        stream = ask(provider, stream=True)
        for _ in range(3):
            next(stream)
        del stream
        gc.collect()
        return {"sent": provider.calls(), "spent": spent()}


# --- 17: three layers that all see the call -------------------------------------------------------


def langchain_with_everything(provider: MockProvider) -> dict[str, Any]:
    instrument(
        f"{OFFICIAL}.openai:OpenAIInstrumentor",
        f"{OFFICIAL}.langchain:LangChainInstrumentor",
        "openinference.instrumentation.openai:OpenAIInstrumentor",
        "openinference.instrumentation.langchain:LangChainInstrumentor",
    )
    chat: Any = importlib.import_module("langchain_openai").ChatOpenAI
    with limited(9) as capture:
        model = chat(model=MODEL, base_url=provider.openai_base_url, api_key="none", max_tokens=64)
        model.invoke("count these four words")
        list(model.stream("count these four words"))
        spans = len(capture.spans)
        return {
            "sent": provider.calls(), "spent": spent(), "records": records(capture), "spans": spans
        }  # fmt: skip


# --- 18: OpenInference, which swallows what `on_start` raises -------------------------------------


def openinference_when_exhausted(provider: MockProvider) -> dict[str, Any]:
    instrument("openinference.instrumentation.openai:OpenAIInstrumentor")
    with limited(0) as capture:
        seen = [outcome(lambda: ask(provider)), outcome(lambda: list(ask(provider, stream=True)))]
        errors = [s["status"] for s in capture.spans]
        return {"sent": provider.calls(), "outcomes": seen, "status": errors}


# --- 20: frameworks that swallow the refusal of a tool --------------------------------------------


def agents_tool(provider: MockProvider) -> dict[str, Any]:
    """openai-agents tells the model that the tool failed, and asks it what to do now."""
    with limited(1):
        return _agents_tool(provider)


def agents_tool_trips(provider: MockProvider) -> dict[str, Any]:
    with tripping():
        return _agents_tool(provider, **TOO_MUCH)


def _agents_tool(provider: MockProvider, **wanted: Any) -> dict[str, Any]:
    """`wanted`: what the tool asks of its model."""
    sdk: Any = importlib.import_module("agents")
    sdk.set_tracing_disabled(True)
    inside: list[str] = []

    def research(topic: str) -> str:
        """Ask another model."""
        inside.append(outcome(lambda: ask(provider, **wanted)))
        if inside[-1] != "ok":
            ask(provider, **wanted)  # raises, into the framework
        return topic

    agent = sdk.Agent(
        name="planner",
        tools=[sdk.function_tool(research)],
        model=sdk.OpenAIChatCompletionsModel(
            MODEL, openai.AsyncOpenAI(base_url=provider.openai_base_url, api_key="none")
        ),
    )
    provider.enqueue(WANTS_TOOL)
    seen = outcome(lambda: sdk.Runner.run_sync(agent, "count these four words"))
    after = [outcome(lambda: ask(provider)) for _ in range(2)]
    return {"sent": provider.calls(), "inside": inside, "outcomes": [seen, *after]}


def langgraph_tool_node(provider: MockProvider) -> dict[str, Any]:
    """A ToolNode that turns every error of a tool into a message for the model."""
    with limited(1):
        return _langgraph_tool_node(provider)


def langgraph_tool_node_trips(provider: MockProvider) -> dict[str, Any]:
    with tripping():
        return _langgraph_tool_node(provider, **TOO_MUCH)


def _langgraph_tool_node(provider: MockProvider, **wanted: Any) -> dict[str, Any]:
    """`wanted`: what the tool asks of its model."""
    graphs: Any = importlib.import_module("langgraph.graph")
    prebuilt: Any = importlib.import_module("langgraph.prebuilt")
    chat: Any = importlib.import_module("langchain_openai").ChatOpenAI
    inside: list[str] = []

    def research(topic: str) -> str:
        """Ask another model."""
        inside.append(outcome(lambda: ask(provider, **wanted)))
        if inside[-1] != "ok":
            ask(provider, **wanted)  # raises, into the framework
        return topic

    model = chat(model=MODEL, base_url=provider.openai_base_url, api_key="none")
    bound = model.bind_tools([research])
    graph = graphs.StateGraph(graphs.MessagesState)
    graph.add_node("model", lambda state: {"messages": [bound.invoke(state["messages"])]})
    graph.add_node("tools", prebuilt.ToolNode([research], handle_tool_errors=True))
    graph.add_edge(graphs.START, "model")
    graph.add_conditional_edges("model", prebuilt.tools_condition)
    graph.add_edge("tools", "model")
    app = graph.compile()
    provider.enqueue(WANTS_TOOL)
    seen = outcome(lambda: app.invoke({"messages": [("user", "count these four words")]}))
    after = [outcome(lambda: ask(provider)) for _ in range(2)]
    return {"sent": provider.calls(), "inside": inside, "outcomes": [seen, *after]}


def tenacity_loop(provider: MockProvider) -> dict[str, Any]:
    """A predicate that knows our refusals tries once; a bare loop tries in vain."""
    tenacity: Any = importlib.import_module("tenacity")
    tries: list[int] = [0]

    def once() -> object:
        tries[-1] += 1
        return ask(provider)

    stop = tenacity.stop_after_attempt(5)
    knowing = tenacity.Retrying(
        stop=stop, retry=tenacity.retry_if_not_exception_type(SpanledgerRefusal), reraise=True
    )
    bare = tenacity.Retrying(stop=stop, reraise=True)
    with limited(1):
        ask(provider)
        seen = [outcome(lambda: knowing(once))]
        tries.append(0)
        seen.append(outcome(lambda: bare(once)))
        return {"sent": provider.calls(), "outcomes": seen, "tries": tries}


def tenacity_asks_for_less(provider: MockProvider) -> dict[str, Any]:
    """A loop that tries a smaller call after each refusal, as a well-meant fallback does."""
    tenacity: Any = importlib.import_module("tenacity")
    wanted = iter((TOO_MUCH, {"max_tokens": 16_000}, {}, {"max_tokens": 1}))
    said: list[str] = []

    def smaller() -> object:
        try:
            return ask(provider, **next(wanted))
        except SpanledgerRefusal as refusal:
            said.append(refusal.reason)
            raise

    trying = tenacity.Retrying(stop=tenacity.stop_after_attempt(4), reraise=True)
    with tripping():
        ask(provider)
        seen = outcome(lambda: trying(smaller))
        after = outcome(lambda: ask(provider))
        return {"sent": provider.calls(), "outcomes": [seen, after], "reasons": said}


if __name__ == "__main__":
    with MockProvider(USUAL) as running:
        print(json.dumps(globals()[sys.argv[1]](running)))
