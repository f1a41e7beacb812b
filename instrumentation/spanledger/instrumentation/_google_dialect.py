"""How the `google-genai` client speaks: generated content, embeddings, predictions. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from spanledger.instrumentation._facts import Answers, Reply, get, text, whole
from spanledger.usage import MISSING
from spanledger.usage import google as usage_of

_Body = Mapping[str, Any]

#: Tools that the provider runs, and whose results the model reads.
_HOSTED = frozenset(
    {"googleSearch", "googleSearchRetrieval", "googleMaps", "urlContext", "codeExecution",
     "enterpriseWebSearch", "fileSearch", "retrieval", "computerUse", "mcpServers"}
)  # fmt: skip
_MEDIA = ("inlineData", "fileData")
#: Words of `_content.measure` for what is no text, by the beginning of its MIME type.
_KINDS = {"image/": "image", "audio/": "input_audio", "video/": "video"}


class Target(NamedTuple):
    """What an address asks for."""

    action: str
    model: str
    host: str


@lru_cache(maxsize=256)
def target_of(url: str) -> Target | None:
    """What the address of a request asks for; None if that is not gated."""
    parts = urlsplit(url)
    path, _, action = parts.path.rpartition(":")
    if action not in _ACTIONS:
        return None
    return Target(action, _model(unquote(path)), parts.hostname or "")


def _model(path: str) -> str:
    """The model's name; of a tuned one or an endpoint its resource name, which has no price."""
    folder, _, name = path.rpartition("/")
    kind = folder.rpartition("/")[2]
    return name if kind == "models" else f"{kind}/{name}"


def provider_of(*, vertex: bool) -> str:
    """The provider behind a client of either mode."""
    return "gcp.vertex_ai" if vertex else "gcp.gemini"


class Asked(NamedTuple):
    """What a request asks for, in our words."""

    operation: str
    body: dict[str, Any]
    stream: bool
    max_output_tokens: int | None
    choices: int
    answers: Answers


def read_request(target: Target, body: _Body) -> Asked:
    """Read a request to be sent."""
    config = _mapping(body.get("generationConfig"))
    answers = _ACTIONS[target.action](target.model)
    return Asked(
        answers.operation,
        answers.readable(body, config),
        target.action == "streamGenerateContent",
        whole(config.get("maxOutputTokens")),
        whole(config.get("candidateCount")) or 1,
        answers,
    )


def with_output_limit(target: Target, body: _Body, limit: int) -> dict[str, Any] | None:
    """The body with an output limit, if it has none; None if nothing need change."""
    config = _mapping(body.get("generationConfig"))
    if "contents" not in body or whole(config.get("maxOutputTokens")):
        return None
    return {**body, "generationConfig": {**config, "maxOutputTokens": limit}}


class _Content:
    """``…:generateContent`` and ``…:streamGenerateContent``."""

    operation = "generate_content"

    def __init__(self, model: str) -> None:
        self._model = model

    def readable(self, body: _Body, config: _Body) -> dict[str, Any]:
        """What the model reads, in the words that `_content.measure` knows."""
        found: dict[str, Any] = {"messages": [_turn(c) for c in _list(body.get("contents"))]}
        if system := body.get("systemInstruction"):
            found["system"] = _turn(system)
        if tools := body.get("tools"):
            found["tools"] = [_tool(tool) for tool in _list(tools)]
        if schema := config.get("responseSchema") or config.get("responseJsonSchema"):
            found["response_format"] = schema
        if cached := body.get("cachedContent"):
            found["cachedContent"] = cached
        if tier := body.get("serviceTier"):
            found["service_tier"] = tier
        return found

    def read_reply(self, reply: Any) -> Reply:
        candidates = _list(get(reply, "candidates"))
        searches = usage_of.grounded_searches(candidates, self._model)
        usage = usage_of.from_generate_content(get(reply, "usageMetadata"), web_searches=searches)
        return Reply(
            usage,
            text(get(reply, "modelVersion")),
            text(get(reply, "responseId")),
            tuple(r for c in candidates if (r := text(get(c, "finishReason")))),
            "".join(_texts(candidates)) if usage.source == "missing" else "",
        )

    def stream_reader(self) -> "_ContentStream":
        return _ContentStream(self)


class _ContentStream:
    """Its chunks carry a running usage; the last one that of the whole."""

    __slots__ = ("_answers", "_finish", "_last", "text")

    def __init__(self, answers: _Content) -> None:
        self.text: list[str] = []
        self._answers = answers
        self._last: Any = None
        self._finish: list[str] = []

    def chunk(self, chunk: Any) -> bool:
        candidates = _list(get(chunk, "candidates"))
        self.text += _texts(candidates)
        self._finish += [r for c in candidates if (r := text(get(c, "finishReason")))]
        if get(chunk, "usageMetadata") is not None:
            self._last = chunk
        # Something may follow the chunk that says why it ended: sources, a second candidate.
        return False

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        if self._last is None:
            return Reply(MISSING, finish_reasons=tuple(self._finish))
        reply = self._answers.read_reply(self._last)
        if not self._finish and reply.usage.source == "provider":
            # It was left early: what went in is known, what came out is not.
            reply = reply._replace(usage=reply.usage.with_source("estimated"))
        return reply._replace(finish_reasons=tuple(self._finish))


class _Embeddings(_Content):
    """``…:embedContent`` and ``…:batchEmbedContents``."""

    operation = "embeddings"

    def readable(self, body: _Body, config: _Body) -> dict[str, Any]:
        asked = _list(body.get("requests")) or [body]
        return {"input": [_turn(_mapping(one).get("content")) for one in asked]}

    def read_reply(self, reply: Any) -> Reply:
        return Reply(usage_of.from_embeddings(get(reply, "usageMetadata")))


class _Predictions(_Content):
    """``…:predict``: Vertex AI's older embeddings, and images, which have no tokens."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        if "embedding" in model:
            self.operation = "embeddings"

    def readable(self, body: _Body, config: _Body) -> dict[str, Any]:
        instances = _list(body.get("instances"))
        return {"input": [_instance(_mapping(one)) for one in instances]}

    def read_reply(self, reply: Any) -> Reply:
        return Reply(usage_of.from_predictions(get(reply, "predictions")))


_ACTIONS: dict[str, type[_Content]] = {
    "generateContent": _Content,
    "streamGenerateContent": _Content,
    "embedContent": _Embeddings,
    "batchEmbedContents": _Embeddings,
    "predict": _Predictions,
    "predictLongRunning": _Predictions,
}


def needs_parsing(action: str, body: str) -> bool:
    """Whether there is anything for us in the text of a reply: vectors alone are long and mute."""
    if action in {"embedContent", "batchEmbedContents"}:
        return '"usageMetadata"' in body
    return action != "predict" or '"statistics"' in body


def _turn(content: Any) -> Any:
    """A content with its parts of pictures and sound named as such."""
    if not isinstance(content, Mapping):
        return content
    parts = [_part(part) for part in _list(content.get("parts"))]
    return {"role": content.get("role"), "parts": parts}


def _part(part: Any) -> Any:
    if not isinstance(part, Mapping) or "text" in part:
        return part
    for name in _MEDIA:
        if isinstance(media := part.get(name), Mapping):
            return _medium(media)
    result = part.get("functionResponse")
    if isinstance(result, Mapping) and "parts" in result:
        return {**result, "parts": [_part(p) for p in _list(result["parts"])]}
    return part


def _medium(media: _Body) -> dict[str, Any]:
    mime = str(media.get("mimeType") or "")
    if mime.startswith("text/") and "data" in media:
        return {"text": media["data"]}
    kind = next((word for start, word in _KINDS.items() if mime.startswith(start)), "document")
    return {"type": kind, "data": media.get("data")}


def _tool(tool: Any) -> Any:
    if isinstance(tool, Mapping) and not _HOSTED.isdisjoint(tool):
        return {**tool, "type": "mcp"}
    return tool


def _instance(instance: _Body) -> dict[str, Any]:
    """A prompt or a text, beside pictures as base64 anywhere below their own names."""
    found: dict[str, Any] = {}
    for name, value in instance.items():
        picture = isinstance(value, Mapping) and "bytesBase64Encoded" in value
        found[name] = {"type": "image", "data": value["bytesBase64Encoded"]} if picture else value
    return found


def _texts(candidates: list[Any]) -> list[str]:
    found = []
    for candidate in candidates:
        for part in _list(get(get(candidate, "content"), "parts")):
            if piece := text(get(part, "text")):
                found.append(piece)
            elif (call := get(part, "functionCall")) is not None:
                found.append(str(get(call, "args")))
    return found


def _mapping(value: Any) -> _Body:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []
