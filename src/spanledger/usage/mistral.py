"""Usage of Mistral's dialect: chat, agents, fill-in-the-middle, embeddings, conversations.

It is OpenAI's but for three things: what was cached stands beside the totals, recordings are
counted in seconds next to the tokens, and conversations count the tokens of their connectors
beside input and output. A usage without readable totals is ``MISSING``.
"""

from spanledger.usage import openai
from spanledger.usage._read import Parts, text, view
from spanledger.usage._usage import Usage

__all__ = ["from_chat", "from_conversation", "from_embeddings"]

from_embeddings = openai.from_embeddings


def from_chat(usage: object) -> Usage:
    """The usage of a completion, or of the last chunk of its stream.

    With a recording in the request it is ``estimated``: its seconds are charged for and are no
    tokens.
    """
    seen, parts = view(usage), Parts()
    found = openai.from_chat(usage)
    if found.source == "missing":
        return found
    found = found._replace(service_tier=_tier(text(seen, "service_tier")))
    cached = parts.read(seen, "num_cached_tokens")
    if cached and not found.cache_read_tokens:
        found = found._replace(cache_read_tokens=min(cached, found.input_tokens))
    seconds = parts.read(seen, "prompt_audio_seconds")
    return found.with_source("estimated") if seconds or parts.damaged else found


def from_conversation(usage: object) -> Usage:
    """The usage of a conversation's answer; what its connectors read is input, too."""
    seen, parts = view(usage), Parts()
    connectors = parts.read(seen, "connector_tokens")
    fields = {name: seen.get(name) for name in ("prompt_tokens", "completion_tokens")}
    found = openai.from_chat(fields)
    if found.source == "missing":
        return found
    used = found._replace(input_tokens=found.input_tokens + connectors)
    return used.with_source("estimated") if parts.damaged else used


def _tier(tier: str | None) -> str | None:
    return None if tier == "standard" else tier
