"""Conversations for property tests, and the providers' rules, written down a second time.

The rules here read messages directly and share nothing with the strategies that they judge.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

OPENAI = "gpt-4o"
CLAUDE = "claude-sonnet-4-5"

TEXTS = st.text("abc é字 .{}", min_size=1, max_size=60).map(lambda text: f"say {text}")
SIZES = st.integers(1, 40).map(lambda n: "lorem ipsum dolor " * n)
SAYINGS = st.one_of(TEXTS, SIZES)
PNG = "iVBORw0KGgo="

Talk = list[dict[str, Any]]


@st.composite
def openai_talks(draw: st.DrawFn, *, broken: bool = True) -> Talk:
    """Chat messages of every kind, in an order that the provider takes unless `broken`."""
    kinds = ["user", "assistant", "tools", "image"]
    kinds += ["system", "call", "result"] if broken else []
    talk: Talk = [{"role": "system", "content": draw(TEXTS)}] if draw(st.booleans()) else []
    for number, kind in enumerate(draw(st.lists(st.sampled_from(kinds), max_size=14))):
        talk += _openai(draw, kind, number)
    if draw(st.booleans()):
        talk += _openai(draw, "call", 1000)
    return talk


def _openai(draw: st.DrawFn, kind: str, number: int) -> Talk:
    if kind in {"user", "assistant", "system"}:
        return [{"role": kind, "content": draw(SAYINGS)}]
    if kind == "image":
        part = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
        return [{"role": "user", "content": [{"type": "text", "text": draw(TEXTS)}, part]}]
    if kind == "result":
        return [_openai_result(f"stray_{number}", draw(TEXTS))]
    ids = [f"call_{number}_{i}" for i in range(draw(st.integers(1, 3)))]
    head = {"role": "assistant", "content": None, "tool_calls": [openai_call(i) for i in ids]}
    if kind == "call":
        return [head]
    return [head, *(_openai_result(name, draw(SAYINGS)) for name in draw(st.permutations(ids)))]


def openai_call(call_id: str) -> dict[str, Any]:
    function = {"name": "look_up", "arguments": '{"what":"it"}'}
    return {"id": call_id, "type": "function", "function": function}


def _openai_result(call_id: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


@st.composite
def anthropic_talks(draw: st.DrawFn, *, broken: bool = True) -> Talk:
    """Messages whose turns alternate, with tools, images and thinking; some missing if `broken`."""
    talk: Talk = [{"role": "user", "content": draw(SAYINGS)}]
    for number, tools in enumerate(draw(st.lists(st.booleans(), max_size=8))):
        talk += _anthropic(draw, number, tools=tools)
    if draw(st.booleans()):
        talk.append({"role": "assistant", "content": [{"type": "text", "text": draw(SAYINGS)}]})
    elif draw(st.booleans()):
        talk.append({"role": "assistant", "content": [anthropic_call("open_0")]})
    if broken:
        gone = draw(st.sets(st.integers(0, len(talk) - 1), max_size=3))
        talk = [message for i, message in enumerate(talk) if i not in gone]
    return talk


def _anthropic(draw: st.DrawFn, number: int, *, tools: bool) -> Talk:
    if not tools:
        image = {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PNG},
        }
        said: Any = draw(SAYINGS)
        if draw(st.booleans()):
            said = [{"type": "text", "text": said}, image]
        answer = [{"type": "text", "text": draw(SAYINGS)}]
        return [{"role": "assistant", "content": answer}, {"role": "user", "content": said}]
    ids = [f"toolu_{number}_{i}" for i in range(draw(st.integers(1, 3)))]
    thinking = {"type": "thinking", "thinking": draw(TEXTS), "signature": "c2ln"}
    head: Talk = [thinking] if draw(st.booleans()) else []
    results: Talk = [
        {"type": "tool_result", "tool_use_id": name, "content": draw(SAYINGS)} for name in ids
    ]
    more: Talk = [{"type": "text", "text": draw(TEXTS)}] if draw(st.booleans()) else []
    return [
        {"role": "assistant", "content": [*head, *map(anthropic_call, ids)]},
        {"role": "user", "content": [*results, *more]},
    ]


def anthropic_call(call_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "look_up", "input": {"what": "it"}}


def refused_by_openai(messages: Sequence[dict[str, Any]]) -> list[str]:
    """What OpenAI's chat completions answer 400 to."""
    found, waiting = [], set[str]()
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                found.append(f"{place}: a result without its call")
            waiting.discard(message["tool_call_id"])
            continue
        if waiting:
            found.append(f"{place}: results are missing before it")
        waiting = {call["id"] for call in message.get("tool_calls") or ()}
    return found


def refused_by_anthropic(messages: Sequence[dict[str, Any]]) -> list[str]:
    """What Anthropic's messages answer 400 to."""
    found, waiting, last = [], set[str](), "assistant"
    for place, message in enumerate(messages):
        if message["role"] == last:
            found.append(f"{place}: the turns do not alternate")
        last = message["role"]
        blocks = list(_blocks(message))
        kinds = [block["type"] for block in blocks]
        if not blocks:
            found.append(f"{place}: empty")
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if kinds[: len(results)] != ["tool_result"] * len(results):
            found.append(f"{place}: results do not come first")
        if sorted(results) != sorted(waiting):
            found.append(f"{place}: results {results} to calls {sorted(waiting)}")
        waiting = {block["id"] for block in blocks if block["type"] == "tool_use"}
    return found


def _blocks(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    content = message["content"]
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    else:
        yield from content
