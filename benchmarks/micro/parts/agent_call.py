"""What is added to one call of an agent that uses everything: its 99th percentile.

The agent adds a question to its conversation, counts what it puts in, uses a tool, asks, and
remembers the answer. Around the question stand a retry, a fallback, a breaker, an adapted prompt
and a timer. CPU time with garbage collection, for an agent pays for that as well.

`python -m benchmarks.micro.parts.agent_call` prints a round of "all of it": through the openai
client, with gate, guard, four limits, prices and spans. Median and 99th percentile of such calls,
each minus the bare client's own.
"""

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import run as run_process
from sys import executable
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.micro.case import Case, percentile

from spanledger import track
from spanledger.context import Conversation
from spanledger.context.memory import Memory
from spanledger.health import operation_timer
from spanledger.recovery import adaptive, breaker, default_answer, fallback, retry
from spanledger.track.tokens import Tracker
from spanledger.track.tools import Registry

MODEL = "gpt-4o-mini"
CALLS = 300
TARGET_US = 500
HOW = "CPU, p99"
QUESTION = "Summarise the state of the project in three sentences, and name what is open. " * 4
ANSWER = "All is well. " * 25
Ask = Callable[[Sequence[Any]], Any]


def cases(stack: ExitStack) -> list[Case]:
    folder = Path(stack.enter_context(TemporaryDirectory()))

    def alone() -> float:
        agent = Agent(lambda _messages: ANSWER, Memory(path=folder / "memory.sqlite"))
        return percentile(times_us(agent.call, CALLS), 0.99)

    def compressing() -> float:
        """Every seventh call or so finds the conversation full."""
        memory = Memory(path=folder / "memory.sqlite")
        agent = Agent(lambda _messages: ANSWER, memory, limit_tokens=4000)
        return percentile(times_us(agent.call, CALLS // 3), 0.99)

    return [
        Case("context, recovery, tools, health", alone, TARGET_US, required=True, how=HOW),
        Case("a call that compresses 20 messages", compressing, 10_000, how=HOW),
        *_whole(),
    ]


def _whole() -> list[Case]:
    p99_us = 0.0

    def median_us() -> float:
        nonlocal p99_us
        command = [executable, "-W", "ignore", "-m", "benchmarks.micro.parts.agent_call"]
        said = run_process(command, check=True, capture_output=True, text=True).stdout
        median, p99_us = map(float, said.split())
        return median

    name = "all of it, gate and four limits"
    return [
        Case(f"{name}, median", median_us, TARGET_US, most_rounds=7),
        Case(name, lambda: p99_us, TARGET_US, "µs", True, HOW, 7),
    ]


class Agent:
    """One that is careful about everything; `ask` is its way to a model."""

    def __init__(self, ask: Ask, memory: Memory, limit_tokens: int | None = None) -> None:
        careful = adaptive("ask")(retry("ask")(breaker("ask")(operation_timer("ask")(_named(ask)))))
        self._ask = fallback(default_answer("Ask later."), name="ask")(careful)
        self._talk = Conversation(MODEL, system="You are brief.", limit_tokens=limit_tokens)
        self._memory, self._tokens, self._desk = memory, Tracker(), Registry()
        self._desk.tool(name="look_up")(look_up)

    def call(self) -> None:
        self._tokens.track_text(QUESTION, operation="question")
        self._talk.add("user", QUESTION)
        self._desk.call("look_up", {"word": "parcel"})
        answer = self._ask(messages=self._talk.request()["messages"])
        self._talk.add("assistant", str(answer))
        self._tokens.track_operation("answer", 180, 78)
        self._memory.add("the state was asked for", 0.1)


def _named(ask: Ask) -> Callable[..., Any]:
    def asked(*, messages: Sequence[Any]) -> Any:
        return ask(messages)

    return asked


def look_up(word: str) -> str:
    """Stands for a tool."""
    return word


def times_us(run: Callable[[], object], calls: int) -> list[float]:
    """CPU of the calling thread for each call; the first ones warm what is remembered."""
    for _ in range(10):
        run()
    gc.enable()
    times = []
    for _ in range(calls):
        began = time.thread_time_ns()
        run()
        times.append((time.thread_time_ns() - began) / 1000)
    return times


def added_us() -> tuple[float, float]:
    """Median and 99th percentile of what is added, in this process."""
    from benchmarks.peers import work
    from benchmarks.peers.prepare import PREPARE
    from benchmarks.peers.worker import collecting

    client, _ = work.clients(work.Provider())

    def ask(messages: Sequence[Any]) -> Any:
        asked = messages[-6:]
        reply = client.chat.completions.create(model=MODEL, messages=asked, max_tokens=256)
        return reply.choices[0].message.content

    messages = [{"role": "user", "content": QUESTION}] * 6
    bare = times_us(lambda: ask(messages), CALLS)
    PREPARE["spanledger"](collecting(None))
    with TemporaryDirectory() as folder, track.session("benchmark"):
        agent = Agent(ask, Memory(path=Path(folder) / "memory.sqlite"))
        whole = times_us(agent.call, CALLS)
    median, p99 = (percentile(whole, share) - percentile(bare, share) for share in (0.5, 0.99))
    return median, p99


if __name__ == "__main__":
    print(*added_us())
