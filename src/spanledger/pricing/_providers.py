"""What ``gen_ai.provider.name`` (and its older spellings) means in the price table."""

from typing import Final

# Exact names only. Guessing by substring would price any "my-openai-compatible" server at
# OpenAI's list price; a name that is not here and is no id of the table stays unpriced.
_SPELLINGS: Final[dict[str, tuple[str, ...]]] = {
    "anthropic": ("anthropic_ai",),
    "aws": ("aws.bedrock", "aws_bedrock", "bedrock", "amazon_bedrock", "bedrock_converse"),
    "azure": (
        "azure.ai.openai",
        "azure.ai.inference",
        "az.ai.openai",
        "az.ai.inference",
        "azure_openai",
        "azure_ai",
    ),
    "fireworks": ("fireworks_ai",),
    "github-copilot": ("github_copilot",),
    "google": (
        "gcp.gemini",
        "gcp.gen_ai",
        "gcp.vertex_ai",
        "gemini",
        "google_ai_studio",
        "google_genai",
        "google_gla",
        "google_vertex",
        "google_vertexai",
        "vertex_ai",
        "vertexai",
    ),
    "mistral": ("mistral_ai", "mistralai"),
    "moonshotai": ("moonshot_ai", "moonshot"),
    "novita": ("novita_ai",),
    "perplexity": ("perplexity_ai",),
    "together": ("together_ai", "togetherai"),
    "voyageai": ("voyage_ai", "voyage"),
    "x-ai": ("x_ai", "xai"),
    "zai": ("z_ai", "z.ai"),
    "zhipuai": ("zhipu_ai", "zhipu"),
}

ALIASES: Final[dict[str, str]] = {
    name: id_ for id_, names in _SPELLINGS.items() for name in (id_, *names)
}


def canonical(name: str) -> str:
    """The price table's id for a provider name; an unknown name comes back in lower case."""
    lowered = name.strip().lower()
    return ALIASES.get(lowered) or ALIASES.get(lowered.replace("-", "_")) or lowered


def split_router(provider: str, model: str) -> tuple[str, str]:
    """LiteLLM puts the real provider before the model: ``litellm``, ``azure/gpt-4o``."""
    if provider == "litellm" and "/" in model:
        real, _, rest = model.partition("/")
        return canonical(real), rest
    return provider, model
