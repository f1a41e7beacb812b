"""How others write what the GenAI conventions have names for: one table, as data. Pure.

Read by `spanledger.usage.dialects` and, by way of its `rows`, by whatever prices spans elsewhere
(SQL). Nothing here is a rule of thumb: a name or value that is not listed is not understood.
"""

from typing import Final, Literal, NamedTuple

from spanledger import semconv

__all__ = [
    "ALIASES",
    "CLIENTS_OF_PROVIDERS",
    "CLIENTS_OF_SCOPES",
    "FOREIGN_COSTS",
    "INPUTS",
    "OPERATIONS",
    "OTHERS",
    "PROVIDERS",
    "STOPPABLE",
    "TOTALS",
    "Input",
    "InputRule",
]

# --- what a span stands for ----------------------------------------------------------------

#: By attribute, in this order: its values, and the operation that each stands for. ``*``: any
#: other value. What is not named (chains, agents, tools, sums over several calls) is no call.
OPERATIONS: Final[dict[str, dict[str, str]]] = {
    semconv.OPERATION_NAME: {
        **{name: name for name in sorted(semconv.INFERENCE_OPERATIONS)},
        "acompletion": "chat",
        "completion": "chat",
        "embedding": "embeddings",
        "rerank": "rerank",
    },
    "openinference.span.kind": {"LLM": "chat", "EMBEDDING": "embeddings", "RERANKER": "rerank"},
    "llm.request.type": {
        "completion": "text_completion",
        "embedding": "embeddings",
        "rerank": "rerank",
        "*": "chat",
    },
    # The spans of Vercel's AI SDK around these have other ids, and sums of several steps.
    "ai.operationId": {
        "ai.embed.doEmbed": "embeddings",
        "ai.embedMany.doEmbed": "embeddings",
        "ai.generateObject.doGenerate": "chat",
        "ai.generateText.doGenerate": "chat",
        "ai.streamObject.doStream": "chat",
        "ai.streamText.doStream": "chat",
    },
    "langfuse.observation.type": {"embedding": "embeddings", "generation": "chat"},
}

#: Operations of the conventions that are no calls, whatever else their spans say.
OTHERS: Final = frozenset(
    {
        semconv.AGENT_OPERATION,
        semconv.TOOL_OPERATION,
        "create_agent",
        "invoke_workflow",
        "plan",
        "retrieval",
    }
)

# --- names ---------------------------------------------------------------------------------

#: The name of the conventions, and what stands for it elsewhere, the best first. The name itself
#: is always asked first. Names of sums over several calls (``gen_ai.aggregated_usage.*``) are not
#: here on purpose.
ALIASES: Final[dict[str, tuple[str, ...]]] = {
    semconv.PROVIDER_NAME: ("gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"),
    semconv.REQUEST_MODEL: (
        "llm.request.model",
        "llm.model_name",
        "embedding.model_name",
        "reranker.model_name",
        "ai.model.id",
        "langfuse.observation.model.name",
    ),
    semconv.RESPONSE_MODEL: ("llm.response.model", "ai.response.model"),
    semconv.RESPONSE_ID: ("ai.response.id",),
    semconv.CONVERSATION_ID: (
        "session.id",
        "traceloop.association.properties.session_id",
        "langfuse.session.id",
        "ai.telemetry.metadata.sessionId",
    ),
    semconv.USER_ID: (
        "traceloop.association.properties.user_id",
        "langfuse.user.id",
        "ai.telemetry.metadata.userId",
    ),
    semconv.USAGE_INPUT_TOKENS: (
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "ai.usage.tokens",
    ),
    semconv.USAGE_OUTPUT_TOKENS: (
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    semconv.USAGE_CACHE_READ_TOKENS: (
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "ai.usage.cachedInputTokens",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.details.cache_read_tokens",
    ),
    semconv.USAGE_CACHE_WRITE_TOKENS: (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
        "ai.usage.cacheCreationInputTokens",
        "gen_ai.usage.input_tokens.cache_write",
        "gen_ai.usage.details.cache_write_tokens",
    ),
    semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS: (),
    semconv.USAGE_REASONING_TOKENS: (
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
        "gen_ai.usage.details.reasoning_tokens",
    ),
    "gen_ai.usage.audio.input_tokens": ("llm.token_count.prompt_details.audio",),
    "gen_ai.usage.audio.output_tokens": ("llm.token_count.completion_details.audio",),
    "gen_ai.usage.image.input_tokens": (),
    "gen_ai.usage.image.output_tokens": (),
    semconv.OPENAI_RESPONSE_SERVICE_TIER: ("gen_ai.openai.response.service_tier",),
}

#: Input and output together: asked only where one of the two is missing.
TOTALS: Final = (
    "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
    "ai.usage.totalTokens",
)

#: What others think a call has cost, in US dollars: kept beside our own price, never billed.
FOREIGN_COSTS: Final = (
    "gen_ai.usage.cost.amount",
    "gen_ai.usage.cost",
    "gen_ai.cost.total_cost",
    "gen_ai.usage.total_cost",
    "llm.cost.total",
    "operation.cost",
)

# --- values --------------------------------------------------------------------------------

#: Providers by the names that others give them, in lower case. ``""``: a framework's name, which
#: says nothing of who answered.
PROVIDERS: Final[dict[str, str]] = {
    "amazon-bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "google-gla": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "google.generative-ai": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "google_genai": "gcp.gemini",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "xai": "x_ai",
    # Frameworks that put their own name where the provider's belongs.
    "agno": "",
    "autogen": "",
    "crewai": "",
    "langchain": "",
    "litellm": "",
    "llamaindex": "",
    "semantic_kernel": "",
    "strands-agents": "",
}

# --- input with or without the cache -------------------------------------------------------

Input = Literal["inclusive", "exclusive"]


class InputRule(NamedTuple):
    """Whether the input tokens of a scope's spans hold what the cache gave and took."""

    scope: str
    """Instrumentation scope: this name, or one that begins with it and a dot."""
    input: Input
    provider: str = ""
    """Only for calls of this provider; empty: of any."""


#: The first that fits counts. Where none does and the provider itself reports input without its
#: cache (`CACHE_APART`), nobody can tell, and the usage is `estimated`.
INPUTS: Final = (
    InputRule("opentelemetry.instrumentation", "inclusive"),
    InputRule("openinference.instrumentation", "inclusive"),
    InputRule("com.anthropic.sdk.python", "inclusive"),
    InputRule("pydantic-ai", "inclusive"),
    InputRule("spanledger", "inclusive"),
    # Passes on what the provider's client says, and does not name the provider.
    InputRule("strands.telemetry.tracer", "exclusive", "anthropic"),
    InputRule("strands.telemetry.tracer", "exclusive", "aws.bedrock"),
    InputRule("strands.telemetry.tracer", "inclusive", "openai"),
)

# --- whose requests a span stands for ------------------------------------------------------

#: Client libraries (names on PyPI) by the scopes of those who instrument them.
CLIENTS_OF_SCOPES: Final[dict[str, str]] = {
    "com.anthropic.sdk.python": "anthropic",
    "mistralai_sdk_tracer": "mistralai",
    "openinference.instrumentation.anthropic": "anthropic",
    "openinference.instrumentation.bedrock": "botocore",
    "openinference.instrumentation.cohere": "cohere",
    "openinference.instrumentation.google_genai": "google-genai",
    "openinference.instrumentation.groq": "groq",
    "openinference.instrumentation.litellm": "litellm",
    "openinference.instrumentation.mistralai": "mistralai",
    "openinference.instrumentation.ollama": "ollama",
    "openinference.instrumentation.openai": "openai",
    "opentelemetry.instrumentation.anthropic": "anthropic",
    "opentelemetry.instrumentation.bedrock": "botocore",
    "opentelemetry.instrumentation.botocore": "botocore",
    "opentelemetry.instrumentation.cohere": "cohere",
    "opentelemetry.instrumentation.genai.anthropic": "anthropic",
    "opentelemetry.instrumentation.genai.bedrock": "botocore",
    "opentelemetry.instrumentation.genai.openai": "openai",
    "opentelemetry.instrumentation.google_genai": "google-genai",
    "opentelemetry.instrumentation.groq": "groq",
    "opentelemetry.instrumentation.mistralai": "mistralai",
    "opentelemetry.instrumentation.ollama": "ollama",
    "opentelemetry.instrumentation.openai": "openai",
    "opentelemetry.instrumentation.openai_v2": "openai",
}

#: The same by provider, where the scope says nothing: a framework's span, mostly.
CLIENTS_OF_PROVIDERS: Final[dict[str, str]] = {
    "anthropic": "anthropic",
    "aws.bedrock": "botocore",
    "azure.ai.openai": "openai",
    "cohere": "cohere",
    "gcp.gemini": "google-genai",
    "gcp.gen_ai": "google-genai",
    "gcp.vertex_ai": "google-genai",
    "groq": "groq",
    "mistral_ai": "mistralai",
    "ollama": "ollama",
    "openai": "openai",
}

#: Scopes whose libraries open the span before they send and let an exception from there through.
#: All others send in spite of it, or were not tried.
STOPPABLE: Final = (
    "opentelemetry.instrumentation.anthropic",
    "opentelemetry.instrumentation.genai.anthropic",
    "opentelemetry.instrumentation.genai.openai",
    "opentelemetry.instrumentation.openai",
    "pydantic-ai",
)
