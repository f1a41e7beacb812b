"""Time of analysing and compressing a conversation of 200 messages, and of remembering.

    python benchmarks/micro_context.py

Prints milliseconds of CPU for each operation (best of several rounds, texts counted before) beside
its target. Exits with 1 if a target is missed.
"""

import gc
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanledger.context import Conversation, analyze, count_tokens, keep_important, sliding_window
from spanledger.context.memory import Memory

ROUNDS = 20
MESSAGES = 200
OPENAI, CLAUDE = "gpt-4o", "claude-sonnet-4-5"
TEXT = (
    "parcel harbour invoice customer Tuesday delay colour warehouse driver receipt signature "
    "address refund question answer number weather route bridge ferry customs tariff weight"
)
WORDS = TEXT.split()


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[], object]
    target_ms: float


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


def operations(folder: Path) -> list[Operation]:
    messages = talk()
    plain = [
        {"role": m["role"], "content": m["content"]}
        for m in messages
        if m["role"] != "tool" and m["content"]
    ]
    half = analyze(messages, OPENAI).tokens // 2
    memory = Memory(path=folder / "memory.sqlite")
    for number in range(500):
        memory.add(f"{WORDS[number % 23]} {number} {WORDS[number * 5 % 23]}", importance=0.5)
    conversation = Conversation(OPENAI)
    text = " ".join(WORDS * 4)
    return [
        Operation(f"analyze, {MESSAGES} messages, exact", lambda: analyze(messages, OPENAI), 5),
        Operation(f"analyze, {len(plain)} messages, estimate", lambda: analyze(plain, CLAUDE), 5),
        Operation(
            "sliding_window to a half", lambda: sliding_window(messages, half, model=OPENAI), 10
        ),
        Operation(
            "keep_important to a half", lambda: keep_important(messages, half, model=OPENAI), 10
        ),
        Operation(
            "count_tokens, 92 words, counted before", lambda: count_tokens(text, OPENAI), 0.1
        ),
        Operation("Conversation.add", lambda: conversation.add("user", "Where is it?"), 0.2),
        Operation("Memory.add, to the process", lambda: memory.add("a note", 0.1), 0.2),
        Operation("Memory.add, to the file", lambda: memory.add("a note of weight", 0.5), 2),
        Operation("Memory.search, 500 in the file", lambda: memory.search("parcel ferry"), 5),
    ]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        todo = operations(Path(folder))
        best = {operation.name: float("inf") for operation in todo}
        gc.disable()
        for _ in range(ROUNDS):
            for operation in todo:
                start = time.process_time()
                operation.run()
                best[operation.name] = min(best[operation.name], time.process_time() - start)
    missed = 0
    for operation in todo:
        measured = best[operation.name] * 1e3
        verdict = "ok" if measured <= operation.target_ms else "MISSED"
        missed += verdict != "ok"
        print(
            f"{operation.name:40} {measured:8.3f} ms  target {operation.target_ms:5.1f}   {verdict}"
        )
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main())
