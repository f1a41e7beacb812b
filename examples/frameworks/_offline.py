"""What the examples of this folder share: a mock provider, and the tree of what happened.

With `opentelemetry-instrument python agent.py` none of this is needed: the agent stays as it is,
instrumentations that are installed are switched on, and `spanledger trace --last` prints the tree.
"""

import importlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from spanledger import semconv
from spanledger.instrumentation import install
from spanledger.testing.providers import MockProvider, Reply, ToolCall, UsageSpec
from spanledger.testing.spans import capture_spans
from spanledger.track import session

MODEL = "gpt-4o-mini"
ANSWER = Reply(text="Done.", usage=UsageSpec(input_tokens=1000, output_tokens=500))
#: What the tree shows beside the names.
SHOWN = (semconv.COST_NANO_USD, semconv.SUBTREE_COST_NANO_USD)


def wants(tool: str, **arguments: Any) -> Reply:
    """The model asks for a tool."""
    usage = UsageSpec(input_tokens=100, output_tokens=50)
    return Reply(tool_calls=(ToolCall(name=tool, arguments=arguments),), usage=usage)


def instrument(targets: Sequence[str]) -> None:
    """Switch on instrumentations, named as ``module:Class``."""
    for target in targets:
        module, _, name = target.partition(":")
        getattr(importlib.import_module(module), name)().instrument()


def show(
    work: Callable[[str], object], replies: Sequence[Reply], instrumentors: Sequence[str] = ()
) -> None:
    """Run `work` with the address of a mock provider, and print the tree of its spans."""
    logging.getLogger("spanledger").setLevel(logging.ERROR)
    with MockProvider(ANSWER) as provider, capture_spans(as_global=True) as capture:
        install(overrides={"export.mode": "off", "guard.store": "memory"})
        instrument(instrumentors)
        provider.enqueue(*replies)
        with session("ticket-4711"):
            work(provider.openai_base_url)
        print(capture.tree(attributes=SHOWN))
