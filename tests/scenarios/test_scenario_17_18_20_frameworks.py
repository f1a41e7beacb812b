"""Real frameworks and real instrumentations around the real client."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.matrix._sets import clean_environment
from tests.matrix._venvs import EnvironmentUnavailable, python_of

_PROGRAM = Path(__file__).with_name("_frameworks.py")
_REQUIREMENTS = (
    "openai>=3,<4",
    "langchain-openai>=1.7,<2",
    "langgraph>=1.2,<2",
    "openai-agents>=0.24,<0.25",
    "tenacity>=9,<10",
    "openinference-instrumentation-openai>=0.1.60,<0.2",
    "openinference-instrumentation-langchain>=0.1,<0.2",
    "opentelemetry-instrumentation-genai-openai==1.3b0",
    "opentelemetry-instrumentation-genai-langchain==1.3b0",
)
#: 1000 tokens in and 500 out of gpt-4o-mini.
COST_NANO_USD = 1000 * 150 + 500 * 600


def _run(name: str) -> dict[str, Any]:
    """What an agent reports; skips the test if its environment can't be built here."""
    try:
        python = python_of("frameworks", _REQUIREMENTS)
    except EnvironmentUnavailable as reason:
        pytest.skip(f"no environment of frameworks: {reason}")
    done = subprocess.run(
        [str(python), str(_PROGRAM), name],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_scenario_05_a_stream_whose_span_never_ends_is_settled_all_the_same() -> None:
    """As the instrumentation of OpenTelemetry's own leaves it when it is forgotten."""
    found = _run("abandoned_under_an_instrumentation_that_never_ends_its_span")
    assert found["sent"] == 1
    assert found["spent"]["calls"] == [1, 0]
    assert found["spent"]["cost"][0] > 0
    assert found["spent"]["cost"][1] == 0


def test_scenario_17_a_call_that_four_instrumentations_see_is_counted_once() -> None:
    """One plain call and one stream."""
    found = _run("langchain_with_everything")
    assert found["sent"] == 2
    assert found["spans"] > 4
    assert found["spent"] == {"calls": [2, 0], "cost": [2 * COST_NANO_USD, 0]}
    assert found["records"] == [COST_NANO_USD] * 2


def test_scenario_18_under_openinference_an_exhausted_budget_sends_nothing_and_says_why() -> None:
    found = _run("openinference_when_exhausted")
    assert found["sent"] == 0
    assert found["outcomes"] == ["BudgetExceeded"] * 2
    assert set(found["status"]) == {"error"}


@pytest.mark.parametrize("framework", ["agents_tool", "langgraph_tool_node"])
def test_scenario_20_after_a_refusal_that_a_framework_swallowed_the_next_call_is_refused_too(
    framework: str,
) -> None:
    """The one request is the first one, in which the model asked for the tool."""
    found = _run(framework)
    assert found["inside"] == ["BudgetExceeded"]
    assert found["sent"] == 1
    assert found["outcomes"] == ["BudgetExceeded"] * 3


@pytest.mark.parametrize("framework", ["agents_tool_trips", "langgraph_tool_node_trips"])
def test_scenario_20_a_budget_that_trips_refuses_the_smaller_calls_that_follow_too(
    framework: str,
) -> None:
    """They would fit: of $0.10 next to nothing is used."""
    found = _run(framework)
    assert found["inside"] == ["BudgetExceeded"]
    assert found["sent"] == 1
    assert found["outcomes"] == ["BudgetExceeded"] * 3


def test_scenario_20_a_loop_that_asks_for_less_and_less_gets_nothing_once_it_tripped() -> None:
    found = _run("tenacity_asks_for_less")
    assert found["sent"] == 1
    assert found["outcomes"] == ["BudgetExceeded"] * 2
    assert found["reasons"] == ["budget_exhausted"] + ["budget_tripped"] * 3


def test_scenario_20_tenacity_tries_once_if_told_of_refusals_and_else_in_vain() -> None:
    found = _run("tenacity_loop")
    assert found["sent"] == 1
    assert found["outcomes"] == ["BudgetExceeded"] * 2
    assert found["tries"] == [1, 5]
