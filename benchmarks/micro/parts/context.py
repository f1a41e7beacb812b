"""Analysing and compressing a conversation of 200 messages, and remembering."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.micro.case import Case, cpu

from spanledger.context import Conversation, analyze, count_tokens, keep_important, sliding_window
from spanledger.context.memory import Memory

MESSAGES = 200
OPENAI, CLAUDE = "gpt-4o", "claude-sonnet-4-5"
TEXT = (
    "parcel harbour invoice customer Tuesday delay colour warehouse driver receipt signature "
    "address refund question answer number weather route bridge ferry customs tariff weight"
)
WORDS = TEXT.split()


def cases(stack: ExitStack) -> list[Case]:
    return [*_strategies(talk()), *_conversation(), *_memory(stack)]


def _strategies(messages: list[dict[str, Any]]) -> list[Case]:
    """With texts that were counted before, as those of a conversation are."""
    plain = [
        {"role": m["role"], "content": m["content"]}
        for m in messages
        if m["role"] != "tool" and m["content"]
    ]
    half = analyze(messages, OPENAI).tokens // 2
    return [
        _ms("analyze, 200 messages, exact", lambda: analyze(messages, OPENAI), 5, required=True),
        _ms(
            f"analyze, {len(plain)} messages, estimate",
            lambda: analyze(plain, CLAUDE),
            5,
            required=True,
        ),
        _ms("sliding_window to a half", lambda: sliding_window(messages, half, model=OPENAI), 10),
        _ms("keep_important to a half", lambda: keep_important(messages, half, model=OPENAI), 10),
    ]


def _conversation() -> list[Case]:
    text = " ".join(WORDS * 4)

    def add() -> None:
        conversation = Conversation(OPENAI)
        for _ in range(100):
            conversation.add("user", "Where is it?")

    return [
        cpu("count_tokens, 92 words, counted before", lambda: count_tokens(text, OPENAI), 100),
        cpu("Conversation.add, first 100 messages", add, 200, per=100),
    ]


def _memory(stack: ExitStack) -> list[Case]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    memory, adding = (Memory(path=folder / f"{name}.sqlite") for name in ("search", "add"))
    for number in range(500):
        memory.add(f"{WORDS[number % 23]} {number} {WORDS[number * 5 % 23]}", importance=0.5)
    return [
        _ms("Memory.add, to the process", lambda: adding.add("a note", 0.1), 0.2),
        _ms("Memory.add, to the file", lambda: adding.add("a note of weight", 0.5), 2),
        _ms("Memory.search, 500 in the file", lambda: memory.search("parcel ferry"), 5),
    ]


def _ms(name: str, run: Any, target_ms: float, *, required: bool = False) -> Case:
    return cpu(name, run, target_ms, required=required, unit="ms")


def talk() -> list[dict[str, Any]]:
    """Questions, answers, and a tool call with its result in every fourth turn."""
    messages: list[dict[str, Any]] = []
    number = 0
    while len(messages) < MESSAGES:
        number += 1
        text = " ".join(WORDS[(number * 7 + i * 3) % len(WORDS)] for i in range(60))
        messages.append({"role": "user", "content": f"{number}: {text}"})
        if number % 4 == 0:
            function = {"name": "look_up", "arguments": f'{{"parcel":{number}}}'}
            call = {"id": f"call_{number}", "type": "function", "function": function}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            result = {"role": "tool", "tool_call_id": call["id"], "content": text}
            messages.append(result)
        messages.append({"role": "assistant", "content": f"{number} {text}"})
    return messages[:MESSAGES]
