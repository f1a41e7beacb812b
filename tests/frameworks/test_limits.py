"""Limits on agents, tools and sessions, which only the framework's spans name."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks._environments import run

PROGRAM = Path(__file__).with_name("_limits.py")


def _report(*arguments: str) -> dict[str, Any]:
    printed = run("agent-frameworks", PROGRAM, *arguments)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize("sampler", [(), ("always_off",)], ids=["sampled", "unsampled"])
@pytest.mark.parametrize("name", ["langchain_agent", "pydantic_ai_agent", "smolagents_agent"])
def test_calls_count_for_the_agent_that_makes_them(name: str, sampler: tuple[str, ...]) -> None:
    """Two calls, as many as may be."""
    found = _report(name, *sampler)
    assert (found["outcome"], found["sent"]) == ("ok", 2), found
    assert found["spent"]["agent librarian"] == 2


@pytest.mark.parametrize("sampler", [(), ("always_off",)], ids=["sampled", "unsampled"])
def test_a_sub_agent_spends_what_its_parent_may(sampler: tuple[str, ...]) -> None:
    """The planner has used both of its calls when the writer asks for one."""
    found = _report("openai_agents", *sampler)
    assert (found["outcome"], found["sent"]) == ("refused", 2), found
    assert found["spent"]["agent planner"] == 2
    assert found["spent"].get("agent writer", 0) == 0


def test_a_session_that_a_framework_names_is_counted() -> None:
    """pydantic-ai makes up a conversation for each run."""
    spent = _report("pydantic_ai_agent")["spent"]
    assert [value for key, value in spent.items() if key.startswith("session ")] == [2]
