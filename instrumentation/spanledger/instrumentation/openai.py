"""How the `openai` client speaks: its endpoints and the providers behind its addresses. Pure."""

from typing import Final
from urllib.parse import urlsplit

from spanledger.instrumentation._facts import Dialect
from spanledger.instrumentation._openai_chat import ChatCompletions, Completions, Embeddings
from spanledger.instrumentation._openai_media import Images, Speech, Transcriptions, Videos
from spanledger.instrumentation._openai_responses import Compactions, Responses
from spanledger.instrumentation._requests import Client

#: Hosts of providers that speak OpenAI's dialect, with their `gen_ai.provider.name`.
_PROVIDERS = {
    "api.openai.com": "openai",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras",
}
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


def provider_of(base_url: str, classes: tuple[str, ...] = ()) -> str:
    """The provider behind a base address; ``openai`` for one that is not known."""
    host = urlsplit(base_url).hostname or ""
    if host.endswith(_AZURE) or "BaseAzureClient" in classes:
        return "azure.ai.openai"
    return _PROVIDERS.get(host, "openai")


_images, _transcriptions, _videos = Images(), Transcriptions(), Videos()

#: Endings of paths, which may begin with a version, a deployment or a gateway's own.
ENDPOINTS: Final[dict[str, Dialect]] = {
    "/chat/completions": ChatCompletions(),
    "/responses": Responses(),
    "/embeddings": Embeddings(),
    "/completions": Completions(),
    "/responses/compact": Compactions(),
    "/images/generations": _images,
    "/images/edits": _images,
    "/images/variations": _images,
    "/audio/speech": Speech(),
    "/audio/transcriptions": _transcriptions,
    "/audio/translations": _transcriptions,
    "/videos": _videos,
    "/videos/edits": _videos,
    "/videos/extensions": _videos,
}


def dialect_of(path: str) -> Dialect | None:
    """The dialect of a request path; None for endpoints that are not gated."""
    path = path.split("?", 1)[0].rstrip("/")
    if path.endswith("/remix") and "/videos/" in path:
        return _videos
    for ending, dialect in ENDPOINTS.items():
        if path.endswith(ending):
            return dialect
    return None


CLIENT = Client("openai", dialect_of, provider_of)
