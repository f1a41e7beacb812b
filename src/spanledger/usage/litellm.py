"""Usage as LiteLLM writes it: OpenAI's words, for all providers, and Anthropic's for the cache.

Its input includes what was read from the cache and what was written to it.
"""

from spanledger.usage import openai
from spanledger.usage._read import Parts, view
from spanledger.usage._usage import Usage

__all__ = ["from_chat", "from_embeddings"]

from_embeddings = openai.from_embeddings


def from_chat(usage: object, *, service_tier: str | None = None) -> Usage:
    """The usage of an answer, or of the last chunk of a stream."""
    found = openai.from_chat(usage, service_tier=service_tier)
    if found.source == "missing":
        return found
    seen, parts = view(usage), Parts()
    details = view(seen.get("prompt_tokens_details"))
    by_life = view(details.get("cache_creation_token_details"))
    written = parts.first((details, "cache_creation_tokens"), (seen, "cache_creation_input_tokens"))
    hour = parts.read(by_life, "ephemeral_1h_input_tokens")
    written = max(written, found.cache_write_tokens)
    used = found._replace(
        cache_write_tokens=min(written, found.input_tokens - found.cache_read_tokens),
        cache_write_1h_tokens=min(hour, written),
    )
    return used.with_source("estimated") if parts.damaged else used
