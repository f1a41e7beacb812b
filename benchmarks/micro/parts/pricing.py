"""Reading a usage, finding its price, computing its cost."""

import subprocess
import sys
from contextlib import ExitStack

from benchmarks.micro.case import Case, cpu
from openai.types.completion_usage import CompletionUsage

from spanledger.pricing import ceiling, find, price
from spanledger.usage import Usage, dialects
from spanledger.usage.anthropic import from_message
from spanledger.usage.bedrock import from_converse
from spanledger.usage.google import from_generate_content
from spanledger.usage.openai import from_chat
from spanledger.usage.tokens import count_text

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
CONTENT = {
    "prompt_token_count": 1200,
    "candidates_token_count": 260,
    "thoughts_token_count": 640,
    "cached_content_token_count": 1024,
    "total_token_count": 2100,
    "prompt_tokens_details": [{"modality": "TEXT", "token_count": 1200}],
}
CONVERSE = {"inputTokens": 176, "outputTokens": 900, "cacheReadInputTokens": 1024}
#: A span of somebody else's.
SPAN = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 900,
    "gen_ai.usage.cache_read.input_tokens": 1024,
}
AT_S = 1_795_176_000.0
MODEL = "gpt-4o"

# CPU of the first look-up in a fresh process, after the import.
FIRST_LOOK_UP = """
import time
from spanledger.pricing import find
began = time.process_time()
find("openai", "gpt-4o", at=1.8e9)
print((time.process_time() - began) * 1e3)
"""


def cases(_stack: ExitStack) -> list[Case]:
    usage = Usage(input_tokens=1200, cache_read_tokens=1024, output_tokens=900)
    found = find("openai", MODEL, at=AT_S)
    assert found is not None
    client_object = CompletionUsage.model_validate(CHAT)
    prompt = "The quick brown fox jumps over the lazy dog. " * 20
    return [
        cpu("find, remembered", lambda: find("openai", MODEL, at=AT_S), 1, required=True),
        cpu("cost of a usage", lambda: found.cost(usage), 4),
        cpu("price (find, cost, checks)", lambda: price("openai", MODEL, usage, at=AT_S), 8),
        cpu("ceiling", lambda: ceiling("openai", MODEL, 1000, 1000, at=AT_S), 5),
        cpu("usage of a chat, dict", lambda: from_chat(CHAT), 10),
        cpu("usage of a chat, client's object", lambda: from_chat(client_object), 15),
        cpu("usage of a message, dict", lambda: from_message(MESSAGE), 10),
        cpu("usage of a content, dict", lambda: from_generate_content(CONTENT), 20),
        cpu("usage of a converse, dict", lambda: from_converse(CONVERSE), 10),
        cpu("a span of another instrumentation", lambda: dialects.read(SPAN), 20),
        cpu("count 200 tokens of text", lambda: count_text(prompt, MODEL), 150),
        Case("first look-up in a process", _first_look_up_ms, 15, "ms", most_rounds=5),
    ]


def _first_look_up_ms() -> float:
    command = [sys.executable, "-c", FIRST_LOOK_UP]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(run.stdout)
