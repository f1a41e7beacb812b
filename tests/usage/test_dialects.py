"""Inference spans of every dialect in one form: whose call, which model, how many tokens."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger import semconv
from spanledger.usage import MISSING, Usage, dialects
from spanledger.usage import dialect_table as table

#: What spans look like when they end, by dialect; all tell of 1000 tokens in and 500 out.
SPANS: dict[str, tuple[str, dict[str, Any]]] = {
    "conventions": (
        "opentelemetry.instrumentation.genai.openai",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
            "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 500,
        },
    ),
    "older conventions": (
        "opentelemetry.instrumentation.openai_v2",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.prompt_tokens": 1000,
            "gen_ai.usage.completion_tokens": 500,
        },
    ),
    "openllmetry": (
        "opentelemetry.instrumentation.openai.v1",
        {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o-mini",
            "llm.usage.total_tokens": 1500,
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 500,
        },
    ),
    "openinference": (
        "openinference.instrumentation.openai",
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.system": "openai",
            "llm.model_name": "gpt-4o-mini",
            "llm.token_count.prompt": 1000,
            "llm.token_count.completion": 500,
            "llm.token_count.total": 1500,
        },
    ),
    "vercel": (
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "openai.responses",
            "ai.model.id": "gpt-4o-mini",
            "ai.usage.promptTokens": 1000,
            "ai.usage.completionTokens": 500,
        },
    ),
    "langfuse": (
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 500,
        },
    ),
    "pydantic-ai": (
        "pydantic-ai",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 500,
            "operation.cost": 0.00045,
        },
    ),
    "litellm": (
        "litellm",
        {
            "gen_ai.operation.name": "completion",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.prompt_tokens": 1000,
            "gen_ai.usage.completion_tokens": 500,
            "gen_ai.cost.total_cost": 0.00045,
        },
    ),
    "strands": (
        "strands.telemetry.tracer",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "strands-agents",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.prompt_tokens": 1000,
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.completion_tokens": 500,
            "gen_ai.usage.output_tokens": 500,
            "gen_ai.usage.total_tokens": 1500,
        },
    ),
}
#: Those whose spans do not say who answered.
NAMELESS = {"langfuse", "strands"}

CACHED = {"gen_ai.operation.name": "chat", "gen_ai.usage.output_tokens": 500}


def found_in(dialect: str) -> dialects.Inference:
    scope, attributes = SPANS[dialect]
    found = dialects.read(attributes, scope)
    assert found is not None
    return found


def usage_of(scope: str, **attributes: Any) -> Usage:
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    found = dialects.read({**CACHED, **named}, scope)
    assert found is not None
    return found.usage


@pytest.mark.parametrize("dialect", SPANS)
def test_every_dialect_is_the_same_call(dialect: str) -> None:
    found = found_in(dialect)
    assert found.operation == "chat"
    assert found.provider == ("" if dialect in NAMELESS else "openai")
    assert found.request_model == "gpt-4o-mini"
    assert found.usage == Usage(input_tokens=1000, output_tokens=500)


@pytest.mark.parametrize("dialect", SPANS)
def test_what_was_read_is_read_the_same_from_its_canonical_form(dialect: str) -> None:
    """So a span that was normalised once may be normalised again."""
    found = found_in(dialect)
    named = dialects.canonical(found)
    again = dialects.read(named, "spanledger")
    assert again is not None
    assert again._replace(foreign_cost_usd=None) == found._replace(foreign_cost_usd=None)
    assert all(name.startswith(("gen_ai.", "anthropic.", "user.")) for name in named)


@pytest.mark.parametrize(
    ("dialect", "cost_usd"), [("pydantic-ai", 0.00045), ("litellm", 0.00045), ("vercel", None)]
)
def test_the_cost_that_others_tell_is_kept_apart(dialect: str, cost_usd: float | None) -> None:
    assert found_in(dialect).foreign_cost_usd == cost_usd


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"http.method": "POST"},
        {"openinference.span.kind": "CHAIN"},
        {"openinference.span.kind": "AGENT", "llm.token_count.prompt": 10},
        {"traceloop.span.kind": "workflow"},
        {"ai.operationId": "ai.generateText", "ai.usage.promptTokens": 10},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 10},
        {"gen_ai.operation.name": "invoke_agent", "llm.request.type": "chat"},
        {"gen_ai.operation.name": "execute_tool"},
        {"langfuse.observation.type": "span"},
    ],
)
def test_agents_chains_and_tools_are_no_calls_though_they_sum_up_tokens(
    attributes: dict[str, Any],
) -> None:
    assert dialects.read(attributes) is None


def test_sums_over_several_calls_are_never_read_as_one() -> None:
    """pydantic-ai's roll-up has its own name so that nobody adds it up."""
    found = dialects.read(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.aggregated_usage.input_tokens": 337,
            "gen_ai.aggregated_usage.output_tokens": 7,
        }
    )
    assert found is not None
    assert found.usage == MISSING


@pytest.mark.parametrize(
    ("written", "provider"),
    [
        ("vertex_ai", "gcp.vertex_ai"),
        ("gemini", "gcp.gemini"),
        ("az.ai.inference", "azure.ai.inference"),
        ("az.ai.openai", "azure.ai.openai"),
        ("xai", "x_ai"),
        ("Anthropic", "anthropic"),
        ("aws.bedrock", "aws.bedrock"),
        ("google.vertex.chat", "gcp.vertex_ai"),
        ("anthropic.messages", "anthropic"),
        ("mistralai", "mistral_ai"),
        ("langchain", ""),
        ("somebody-new", "somebody-new"),
    ],
)
def test_providers_get_the_names_of_the_conventions(written: str, provider: str) -> None:
    assert dialects.provider_of({"gen_ai.system": written}) == provider
    assert dialects.provider_of({"gen_ai.provider.name": written}) == provider


def test_input_that_holds_the_cache_stays_as_it_is() -> None:
    usage = usage_of(
        "com.anthropic.sdk.python",
        gen_ai__provider__name="anthropic",
        gen_ai__usage__input_tokens=151,
        gen_ai__usage__cache_read__input_tokens=40,
        gen_ai__usage__cache_write__input_tokens=100,
    )
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (151, 40, 100)
    assert usage.source == "provider"


def test_input_beside_the_cache_gets_it_added() -> None:
    """Strands passes on what Bedrock says, and Bedrock leaves the cache out."""
    usage = usage_of(
        "strands.telemetry.tracer",
        gen_ai__request__model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        gen_ai__usage__input_tokens=411,
        gen_ai__usage__cache_read_input_tokens=40,
        gen_ai__usage__cache_write_input_tokens=100,
    )
    assert usage.input_tokens == 551
    assert usage.source == "provider"


def test_a_part_that_is_more_than_the_whole_proves_that_the_whole_leaves_it_out() -> None:
    usage = usage_of(
        "opentelemetry.instrumentation.anthropic",
        gen_ai__system="Anthropic",
        gen_ai__usage__input_tokens=11,
        gen_ai__usage__cache_read_input_tokens=4000,
    )
    assert usage.input_tokens == 4011


def test_where_nobody_can_tell_the_usage_is_an_estimate() -> None:
    cached = {"gen_ai__usage__input_tokens": 151, "gen_ai__usage__cache_read_input_tokens": 40}
    assert usage_of("some.body", gen_ai__system="anthropic", **cached).source == "estimated"
    assert usage_of("some.body", gen_ai__system="openai", **cached).source == "provider"


def test_a_sum_that_is_missing_is_what_the_total_leaves() -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.token_count.total": 1500,
        "llm.token_count.completion": 500,
    }
    found = dialects.read(attributes)
    assert found is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (1000, 500)


def test_embeddings_have_no_output_to_be_missing() -> None:
    found = dialects.read({"openinference.span.kind": "EMBEDDING", "llm.token_count.prompt": 9})
    assert found is not None
    assert found.operation == "embeddings"
    assert found.usage == Usage(input_tokens=9)


@pytest.mark.parametrize("nonsense", [-1, True, "12", float("nan"), 2**70, None])
def test_counts_that_are_none_are_unknown_and_never_zero(nonsense: object) -> None:
    found = dialects.read({**CACHED, "gen_ai.usage.input_tokens": nonsense})
    assert found is not None
    assert found.usage == MISSING


@pytest.mark.parametrize(
    ("scope", "provider", "client"),
    [
        ("opentelemetry.instrumentation.openai.v1", "", "openai"),
        ("opentelemetry.instrumentation.openai_agents", "", ""),
        ("opentelemetry.instrumentation.genai.anthropic.handler", "", "anthropic"),
        ("opentelemetry.instrumentation.langchain", "anthropic", "anthropic"),
        ("somebody", "gcp.vertex_ai", "google-genai"),
        ("somebody", "", ""),
        ("", "", ""),
    ],
)
def test_the_client_library_is_told_by_scope_or_provider(
    scope: str, provider: str, client: str
) -> None:
    assert dialects.client_of(scope, provider) == client


def test_no_foreign_name_means_two_things() -> None:
    seen: dict[str, str] = {}
    for name, aliases in table.ALIASES.items():
        for alias in aliases:
            assert seen.setdefault(alias, name) == name
            assert alias not in table.ALIASES, f"{alias} is a name of the conventions"


def test_the_whole_table_is_flat_data() -> None:
    """Other languages (SQL) read it as rows; nothing may get lost on the way."""
    rows = list(dialects.rows())
    again = [dialects.Row(*row) for row in json.loads(json.dumps(rows))]
    assert again == rows
    assert len({row[:3] for row in rows}) == len(rows)
    aliases = {row.foreign: row.name for row in rows if row.table == "alias"}
    for dialect, (_scope, attributes) in SPANS.items():
        for name in attributes:
            if "token" in name.lower() and "total" not in name:
                assert name in aliases, (dialect, name)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**12),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["chat", "LLM", "openai", "vertex_ai", "claude-x"]),
    st.lists(st.integers(), max_size=2).map(tuple),
)
names = st.sampled_from(sorted({row.foreign for row in dialects.rows() if "." in row.foreign}))


@given(st.dictionaries(names, values, max_size=12), st.sampled_from(["", "ai", "pydantic-ai"]))
def test_whatever_somebody_writes_is_read_without_an_error(
    attributes: dict[str, Any], scope: str
) -> None:
    found = dialects.read({**attributes, semconv.OPERATION_NAME: "chat"}, scope)
    assert found is not None
    usage = found.usage
    assert usage.input_tokens >= usage.cache_read_tokens + usage.cache_write_tokens or (
        usage.input_tokens >= 10**10
    )
    again = dialects.read(dialects.canonical(found), "spanledger")
    assert again is not None
    assert again.usage.input_tokens == usage.input_tokens
