"""How Amazon Bedrock's runtime is spoken to by `boto3`: Converse and InvokeModel. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from spanledger.instrumentation._facts import Answers, Reply, get, text, whole
from spanledger.usage import MISSING, Usage
from spanledger.usage import anthropic as anthropic_usage
from spanledger.usage import bedrock as usage_of

PROVIDER = "aws.bedrock"

_Body = Mapping[str, Any]

#: Resources that are a model, or a road to one, by the name that has a price.
_MODELS = ("foundation-model/", "inference-profile/")
#: Blocks of messages that are no text, in the words of `_content.measure`.
_BLOCKS = {"image": "image", "document": "document", "video": "video", "audio": "input_audio"}
_PLAIN_TEXT = frozenset({"txt", "md", "csv", "html"})
#: Output limits in the bodies of InvokeModel, by themselves or inside of something.
_LIMITS = ("max_tokens", "max_completion_tokens", "max_gen_len", "max_tokens_to_sample",
           "maxTokens", "max_new_tokens", "maxTokenCount")  # fmt: skip
_NESTED_LIMITS = ("inferenceConfig", "textGenerationConfig")
_CHOICES = ("n", "num_generations", "numResults")


class Asked(NamedTuple):
    """What a request asks for, in our words."""

    operation: str
    model: str
    body: dict[str, Any]
    max_output_tokens: int | None
    choices: int
    answers: "BedrockAnswers"
    stream: bool


class BedrockAnswers(Answers):
    """Answers that know what the HTTP response said of itself."""

    def __init__(self) -> None:
        #: Set when the answer comes: what is known of a body that nobody reads.
        self.metadata: _Body = {}

    def tier(self, reply: Any) -> str | None:
        return text(get(get(reply, "serviceTier"), "type"))

    def request_id(self) -> str | None:
        return text(self.metadata.get("RequestId"))


def read_request(operation_name: str, params: _Body) -> Asked | None:
    """Read the parameters of an operation; None for one that is not gated."""
    read = _OPERATIONS.get(operation_name)
    return None if read is None else read(params, "Stream" in operation_name)


@lru_cache(maxsize=256)
def model_of(model_id: str) -> str:
    """The name of a model that has a price; of a resource of one's own the name of that."""
    if not model_id.startswith("arn:"):
        return model_id
    resource = model_id.split(":", 5)[-1]
    known = resource.startswith(_MODELS)
    return resource.partition("/")[2] if known else resource


def with_output_limit(
    operation_name: str, params: Mapping[str, Any], limit: int
) -> dict[str, Any] | None:
    """The parameters of Converse with an output limit; None if nothing need change.

    Bodies of InvokeModel are left as they are: each model has its own word for it.
    """
    config = _mapping(params.get("inferenceConfig"))
    if not operation_name.startswith("Converse") or whole(config.get("maxTokens")):
        return None
    return {**params, "inferenceConfig": {**config, "maxTokens": limit}}


# --- Converse ---------------------------------------------------------------------------------


def _read_converse(params: _Body, stream: bool) -> Asked:
    config = _mapping(params.get("inferenceConfig"))
    return Asked(
        "chat",
        model_of(str(params.get("modelId") or "")),
        _converse_body(params),
        whole(config.get("maxTokens")),
        1,
        Converse(),
        stream,
    )


def _converse_body(params: _Body) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": [_message(m) for m in _list(params.get("messages"))]}
    if system := params.get("system"):
        body["system"] = [_block(block) for block in _list(system)]
    tools = _mapping(params.get("toolConfig"))
    if tools:
        body["tools"] = [_tool(tool) for tool in _list(tools.get("tools"))]
    if output := params.get("outputConfig"):
        body["response_format"] = output
    if params.get("promptVariables") or ":prompt/" in str(params.get("modelId")):
        # The prompt lies with the provider; only what is put into it is here.
        body["input"], body["conversation"] = params.get("promptVariables"), True
    if tier := _mapping(params.get("serviceTier")).get("type"):
        body["service_tier"] = tier
    return body


class Converse(BedrockAnswers):
    """``Converse`` and ``ConverseStream``."""

    def read_reply(self, reply: Any) -> Reply:
        usage = usage_of.from_converse(get(reply, "usage"), service_tier=self.tier(reply))
        message = get(get(reply, "output"), "message")
        reason = text(get(reply, "stopReason"))
        return Reply(
            usage,
            _routed_to(reply),
            self.request_id(),
            (reason,) if reason else (),
            "".join(_block_texts(get(message, "content"))) if usage.source == "missing" else "",
        )

    def stream_reader(self) -> "_ConverseStream":
        return _ConverseStream(self)


class _ConverseStream:
    __slots__ = ("_answers", "_finish", "_last", "text")

    def __init__(self, answers: Converse) -> None:
        self.text: list[str] = []
        self._answers = answers
        self._finish: tuple[str, ...] = ()
        self._last: Any = None

    def chunk(self, chunk: Any) -> bool:
        delta = get(get(chunk, "contentBlockDelta"), "delta")
        if delta is not None:
            self.text += _block_texts([delta])
        elif (stopped := get(chunk, "messageStop")) is not None:
            reason = text(get(stopped, "stopReason"))
            self._finish = (reason,) if reason else ()
        elif (last := get(chunk, "metadata")) is not None:
            self._last = last
            return get(last, "usage") is not None
        return False

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        reply = self._answers.read_reply(self._last)
        return reply._replace(finish_reasons=self._finish)


def _routed_to(reply: Any) -> str | None:
    """The model that a prompt router chose."""
    router = get(get(reply, "trace"), "promptRouter")
    found = text(get(router, "invokedModelId"))
    return None if found is None else model_of(found)


# --- InvokeModel ------------------------------------------------------------------------------


def _read_invoke(params: _Body, stream: bool) -> Asked:
    body = _parsed(params.get("body"))
    model = model_of(str(params.get("modelId") or ""))
    inside = [body, *(_mapping(body.get(name)) for name in _NESTED_LIMITS)]
    limits = (whole(found.get(name)) for found in inside for name in _LIMITS)
    choices = (whole(body.get(name)) for name in _CHOICES)
    return Asked(
        _operation(model, body),
        model,
        _invoke_body(body, params),
        next((limit for limit in limits if limit), None),
        next((n for n in choices if n), 1),
        Invoke(),
        stream,
    )


def _operation(model: str, body: _Body) -> str:
    if "embed" in model or "input_type" in body or "embeddingTypes" in body:
        return "embeddings"
    if "taskType" in body or "text_prompts" in body or model.startswith("stability."):
        return "generate_content"
    return "chat" if "messages" in body or "message" in body else "text_completion"


def _invoke_body(body: _Body, params: _Body) -> dict[str, Any]:
    """The body in the words that `_content.measure` knows, whatever the model's own are."""
    found = {name: body[name] for name in ("prompt", "tools", "tool_choice") if name in body}
    if "messages" in body:
        found["messages"] = [_message(m) for m in _list(body["messages"])]
    if "system" in body:
        found["system"] = body["system"]
    others = ("inputText", "inputImage", "message", "chat_history", "documents", "preamble",
              "texts", "images", "query", "text_prompts", "textToImageParams", "toolConfig",
              "response_format", "thinking", "inputs")  # fmt: skip
    if rest := {name: body[name] for name in others if name in body}:
        found["input"] = rest
    if tier := params.get("serviceTier"):
        found["service_tier"] = tier
    return found


class Invoke(BedrockAnswers):
    """``InvokeModel`` and its stream, in the dialect of whichever model answers."""

    def read_reply(self, reply: Any) -> Reply:
        usage = usage_of.from_invoke(reply, service_tier=self._header_tier())
        if usage.source == "missing":
            usage = self._header_usage()
        return Reply(
            usage,
            None,
            self.request_id(),
            _finish_reasons(reply),
            "".join(_reply_texts(reply)) if usage.source == "missing" else "",
        )

    def stream_reader(self) -> "_InvokeStream":
        return _InvokeStream(self)

    def body_reader(self) -> "_UnreadBody":
        return _UnreadBody(self)

    def unread(self) -> Reply:
        """What is known of an answer whose body nobody has read."""
        return Reply(self._header_usage(), None, self.request_id())

    def _header_usage(self) -> Usage:
        headers = self.metadata.get("HTTPHeaders")
        return usage_of.from_headers(headers, service_tier=self._header_tier())

    def _header_tier(self) -> str | None:
        headers = _mapping(self.metadata.get("HTTPHeaders"))
        return text(headers.get("x-amzn-bedrock-service-tier"))


class _UnreadBody:
    """Stands for a body that is still to be read: until then the headers say what is known."""

    __slots__ = ("_answers", "text")

    def __init__(self, answers: Invoke) -> None:
        self.text: list[str] = []
        self._answers = answers

    def chunk(self, chunk: Any) -> bool:
        return False

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        return self._answers.unread()


class _InvokeStream:
    __slots__ = ("_answers", "_delta", "_finish", "_start", "_usage", "text")

    def __init__(self, answers: Invoke) -> None:
        self.text: list[str] = []
        self._answers = answers
        self._usage: Usage = MISSING
        #: Anthropic's usage comes in two parts.
        self._start: Any = None
        self._delta: Any = None
        self._finish: tuple[str, ...] = ()

    def chunk(self, chunk: Any) -> bool:
        data = _parsed(get(get(chunk, "chunk"), "bytes"))
        self.text += _chunk_texts(data)
        self._finish = _finish_reasons(data) or self._finish
        if "message" in data:
            self._start = get(data["message"], "usage")
        elif data.get("type") == "message_delta":
            self._delta = data.get("usage")
        else:
            self._note(data)
        return usage_of.METRICS in data

    def _note(self, data: _Body) -> None:
        found = usage_of.from_invoke(get(data, "metadata") or data)
        metrics = usage_of.from_metrics(data.get(usage_of.METRICS))
        for usage in (found, metrics):
            # A count that goes on growing does not say how much it will be.
            if usage.source != "missing" and usage.input_tokens:
                final = usage is metrics or "metadata" in data
                self._usage = usage if final else usage.with_source("estimated")

    def hidden(self, chunk: Any) -> bool:
        return False

    def reply(self) -> Reply:
        usage = self._usage
        if self._start is not None:
            usage = anthropic_usage.merge_stream(self._start, self._delta)
        return Reply(usage, None, self._answers.request_id(), self._finish)


_OPERATIONS: dict[str, Callable[[_Body, bool], Asked]] = {
    "Converse": _read_converse,
    "ConverseStream": _read_converse,
    "InvokeModel": _read_invoke,
    "InvokeModelWithResponseStream": _read_invoke,
}


# --- messages and blocks ----------------------------------------------------------------------


def _message(message: Any) -> Any:
    content = _mapping(message).get("content")
    if not isinstance(content, (list, tuple)):
        return message
    return {**message, "content": [_block(block) for block in content]}


def _block(block: Any) -> Any:
    """A block with pictures, sound and files named as such."""
    if not isinstance(block, Mapping) or "text" in block or "type" in block:
        return block
    for name, kind in _BLOCKS.items():
        if isinstance(media := block.get(name), Mapping):
            return _medium(media, kind)
    if isinstance(result := block.get("toolResult"), Mapping):
        content = [_block(inner) for inner in _list(result.get("content"))]
        return {"toolResult": {**result, "content": content}}
    return block


def _medium(media: _Body, kind: str) -> dict[str, Any]:
    source = _mapping(media.get("source"))
    data = source.get("bytes")
    if data is None and ("text" in source or "content" in source):
        return {"text": source}
    if media.get("format") in _PLAIN_TEXT and isinstance(data, (bytes, bytearray)):
        return {"text": data.decode("utf-8", "replace")}
    return {"type": kind, "data": data}


def _tool(tool: Any) -> Any:
    if isinstance(tool, Mapping) and "systemTool" in tool:
        return {**tool, "type": "mcp"}
    return tool


def _block_texts(blocks: Any) -> list[str]:
    """What a model wrote, in blocks of an answer or in their deltas."""
    found = []
    for block in _list(blocks):
        thought = get(block, "reasoningContent")
        tool = get(get(block, "toolUse"), "input")
        wanted = (
            get(block, "text"),
            get(thought, "text"),
            get(get(thought, "reasoningText"), "text"),
            tool if tool is None or isinstance(tool, str) else json.dumps(tool, default=str),
        )
        found += [piece for piece in wanted if isinstance(piece, str) and piece]
    return found


def _reply_texts(reply: Any) -> Iterator[str]:
    """What a model wrote, in the dialects of InvokeModel."""
    yield from _block_texts(get(reply, "content"))
    yield from _block_texts(get(get(get(reply, "output"), "message"), "content"))
    for name in ("generation", "text", "completion", "outputText"):
        yield text(get(reply, name)) or ""
    for name in ("results", "outputs", "generations", "choices"):
        for one in _list(get(reply, name)):
            yield from _choice_texts(one)


def _choice_texts(one: Any) -> Iterator[str]:
    for holder in (one, get(one, "message"), get(one, "delta")):
        for name in ("text", "outputText", "content", "reasoning_content"):
            yield text(get(holder, name)) or ""


def _chunk_texts(data: _Body) -> list[str]:
    delta = data.get("delta") or get(data.get("contentBlockDelta"), "delta")
    pieces = [text(get(delta, name)) or "" for name in ("text", "partial_json", "thinking")]
    pieces += [text(get(get(delta, "toolUse"), "input")) or "", *_reply_texts(data)]
    return [piece for piece in pieces if piece]


def _finish_reasons(reply: Any) -> tuple[str, ...]:
    holders = [reply, get(reply, "delta"), get(reply, "messageStop")]
    for name in ("results", "outputs", "choices"):
        holders += _list(get(reply, name))
    words = ("stop_reason", "stopReason", "finish_reason", "completionReason")
    found = [text(get(holder, word)) for holder in holders for word in words]
    return tuple(reason for reason in found if reason)


def _parsed(body: Any) -> _Body:
    """A JSON object out of bytes or text; an empty one for anything else."""
    try:
        value = json.loads(body)
    except (TypeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _mapping(value: Any) -> _Body:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []
