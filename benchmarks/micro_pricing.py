"""CPU of reading a usage, finding its price and computing its cost.

    python benchmarks/micro_pricing.py

Prints microseconds for each operation (best of several rounds, all operations interleaved, so
that a slow moment of the machine hits them alike) beside its target. Exits with 1 if one is missed.
"""

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from openai.types.completion_usage import CompletionUsage

from spanledger.pricing import ceiling, find, price
from spanledger.usage import Usage
from spanledger.usage.anthropic import from_message
from spanledger.usage.openai import from_chat
from spanledger.usage.tokens import count_text

ROUNDS = 15
REPEATS = 4000

CHAT = {
    "prompt_tokens": 1200,
    "completion_tokens": 900,
    "total_tokens": 2100,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 640, "audio_tokens": 0},
}
MESSAGE = {
    "input_tokens": 176,
    "output_tokens": 900,
    "cache_read_input_tokens": 1024,
    "cache_creation_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "service_tier": "standard",
}
AT_S = 1_795_176_000.0

# CPU of the first look-up in a fresh process, after the import.
FIRST_LOOK_UP = """
import time
from spanledger.pricing import find
start = time.process_time()
find("openai", "gpt-4o", at=1.8e9)
print(time.process_time() - start)
"""


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[], object]
    target_us: float


def operations() -> list[Operation]:
    usage = Usage(input_tokens=1200, cache_read_tokens=1024, output_tokens=900)
    found = find("openai", "gpt-4o", at=AT_S)
    assert found is not None
    client_object = CompletionUsage.model_validate(CHAT)
    count_text("load", "gpt-4o")
    prompt = "The quick brown fox jumps over the lazy dog. " * 20
    return [
        Operation("usage of a chat, dict", lambda: from_chat(CHAT), 10),
        Operation("usage of a chat, client's object", lambda: from_chat(client_object), 15),
        Operation("usage of a message, dict", lambda: from_message(MESSAGE), 10),
        Operation("find, remembered", lambda: find("openai", "gpt-4o", at=AT_S), 1),
        Operation("cost of a usage", lambda: found.cost(usage), 4),
        Operation(
            "price (find, cost, checks)", lambda: price("openai", "gpt-4o", usage, at=AT_S), 8
        ),
        Operation("ceiling", lambda: ceiling("openai", "gpt-4o", 1000, 1000, at=AT_S), 5),
        Operation("count 200 tokens of text", lambda: count_text(prompt, "gpt-4o"), 150),
    ]


def one_round(run: Callable[[], object]) -> float:
    start = time.process_time()
    for _ in range(REPEATS):
        run()
    return (time.process_time() - start) / REPEATS * 1e6


def first_look_up_ms() -> float:
    runs = (
        subprocess.run(
            [sys.executable, "-c", FIRST_LOOK_UP], check=True, capture_output=True, text=True
        )
        for _ in range(5)
    )
    return min(float(run.stdout) for run in runs) * 1e3


def main() -> int:
    todo = operations()
    best = {operation.name: float("inf") for operation in todo}
    gc.disable()
    for _ in range(ROUNDS):
        for operation in todo:
            best[operation.name] = min(best[operation.name], one_round(operation.run))
    rows = [(o.name, best[o.name], o.target_us, "us") for o in todo]
    rows.append(("first look-up in a process", first_look_up_ms(), 15.0, "ms"))
    for name, measured, target, unit in rows:
        verdict = "ok" if measured <= target else "MISSED"
        print(f"{name:36} {measured:8.2f} {unit}   target {target:6.1f} {unit}   {verdict}")
    return int(any(measured > target for _, measured, target, _ in rows))


if __name__ == "__main__":
    raise SystemExit(main())
