"""The client libraries that have a gate: what to wait for, and which module puts the gate in.

This table is read at boot, so it holds names and imports nothing. How a new client is added:

1. A line in `CLIENTS`.
2. A client that Stainless made (it has a ``_base_client`` with ``SyncAPIClient``): a pure file with
   its dialects and a constant ``CLIENT``, as `openai` and `anthropic` are; `_stainless` wraps it.
   Nothing else is needed.
3. Any other client: a pure ``_NAME_dialect.py`` that reads its requests, answers and chunks, and a
   module with ``gate(client, funnel)`` and ``ungate(client, funnel)``, as `google_genai` and
   `bedrock` are. It wraps the lowest function of the library that sees the request as data and
   has the library's own retries inside it, and works with what `_funnel` offers.
"""

from typing import NamedTuple

_OURS = "spanledger.instrumentation"
_MISTRAL = "mistralai.client.basesdk"
_COHERE = "cohere.core.http_client"


class Watched(NamedTuple):
    """One client library."""

    name: str
    """Of the distribution on PyPI: in reports, in the log and in ``spanledger doctor``."""
    package: str
    """The module after whose import the gate is put in."""
    funnel: str
    """The module whose functions are wrapped; it may be the same."""
    gate: str
    """Our module that wraps them."""


CLIENTS: tuple[Watched, ...] = (
    Watched("openai", "openai", "openai._base_client", f"{_OURS}._stainless"),
    Watched("anthropic", "anthropic", "anthropic._base_client", f"{_OURS}._stainless"),
    Watched("groq", "groq", "groq._base_client", f"{_OURS}._stainless"),
    Watched("google-genai", "google.genai", "google.genai._api_client", f"{_OURS}.google_genai"),
    # These packages import their clients when they are asked for them.
    Watched("mistralai", _MISTRAL, _MISTRAL, f"{_OURS}.mistralai"),
    Watched("cohere", _COHERE, _COHERE, f"{_OURS}.cohere"),
    Watched("ollama", "ollama._client", "ollama._client", f"{_OURS}.ollama"),
    Watched("litellm", "litellm", "litellm.main", f"{_OURS}.litellm"),
    # `botocore` itself imports nothing; its clients come with this module.
    Watched("botocore", "botocore.client", "botocore.client", f"{_OURS}.bedrock"),
    # No provider of models, but its tools are asked for and counted too.
    Watched("mcp", "mcp", "mcp.client.session", f"{_OURS}.mcp"),
)
