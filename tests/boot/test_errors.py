"""From a failing agent to an OTLP receiver: what a person needs, and no secret."""

import json
import platform
from pathlib import Path
from typing import Any

import pytest

from spanledger import semconv
from spanledger.testing.otlp_server import OtlpServer, StoredSpan
from spanledger.testing.providers import Fail, MockProvider
from tests.boot._run import Run, run

FAILING = Path(__file__).with_name("_failing_agent.py")
TRACES_ONLY = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
SECRET = "-".join(["correct", "horse", "battery"])


def run_to(otlp: OtlpServer, provider: MockProvider, *arguments: str, **env: str) -> Run:
    provider.enqueue(Fail(status=429, retry_after_s=7))
    to = {"SPANLEDGER_OTLP_ENDPOINT": otlp.endpoint, "DB_PASSWORD": SECRET}
    return run(provider, *arguments, env={**TRACES_ONLY, **to, **env}, program=FAILING)


def named(otlp: OtlpServer, name: str) -> StoredSpan:
    [span] = [span for span in otlp.unique_spans if span.name == name]
    return span


def context(span: StoredSpan) -> dict[str, Any]:
    [event] = [event for event in span.events if event.name == semconv.ERROR_EVENT_NAME]
    return {
        name.removeprefix("spanledger.error."): json.loads(value)
        if isinstance(value, str) and value[:1] in "[{"
        else value
        for name, value in event.attributes.items()
    }


def test_a_failing_tool_arrives_with_its_context(provider: MockProvider, otlp: OtlpServer) -> None:
    done = run_to(otlp, provider)
    span = named(otlp, "execute_tool look_up")
    assert span.attributes[semconv.ERROR_ID] == done.report["tool"]
    found = context(span)
    variables = found["locals"][0]["variables"]
    assert variables["word"] == "bern"
    assert variables["rows"] == []
    assert variables["api_key"].startswith("[redacted")
    assert variables["database"].startswith("postgres at db.local as app with [redacted")
    assert any(line.startswith(">") for line in found["frames"][0]["source"])
    assert [entry["name"] for entry in found["path"]] == [
        "execute_tool look_up",
        "invoke_agent helper",
        "session",
    ]
    assert found["resources"]["rss_bytes"] > 1_000_000


def test_a_failing_call_arrives_with_what_the_provider_said(
    provider: MockProvider, otlp: OtlpServer
) -> None:
    done = run_to(otlp, provider)
    span = named(otlp, "chat gpt-4o-mini")
    assert span.attributes[semconv.ERROR_ID] == done.report["call"]
    assert span.attributes[semconv.ERROR_STATUS_CODE] == 429
    assert span.attributes[semconv.ERROR_RETRY_AFTER_S] == 7
    assert span.attributes[semconv.ERROR_REQUEST_ID]
    found = context(span)
    assert found["chain"][0]["type"] == "openai.RateLimitError"
    [(index, frame)] = [(i, f) for i, f in enumerate(found["frames"]) if f["function"] == "ask"]
    assert frame["file"].endswith("_failing_agent.py")
    shown = {entry["frame"]: entry["variables"] for entry in found["locals"]}[index]
    assert shown["prompt"] == "<str, 20 characters>"
    assert found["snapshots"][0]["changes"] == [
        {"op": "replace", "path": "/next", "old": "look up", "value": "ask"}
    ]
    assert ("execute_tool look_up", "error") in [(e["name"], e["status"]) for e in found["path"]]


@pytest.mark.parametrize("content", ["off", "full"])
def test_no_secret_and_no_prompt_leaves_with_an_error(
    provider: MockProvider, otlp: OtlpServer, content: str
) -> None:
    """Not in variables, source, messages, details or snapshots; nor in the program's arguments."""
    run_to(otlp, provider, "--db-password", SECRET, SPANLEDGER_CONTENT=content)
    assert otlp.unique_spans
    sent = repr(otlp.spans) + repr(otlp.logs)
    assert SECRET not in sent
    if content == "off":
        assert "my diagnosis" not in sent.replace('prompt = \\\\"what is my diagnosis', "")


def test_an_unsampled_failure_arrives_without_variables(
    provider: MockProvider, otlp: OtlpServer
) -> None:
    run_to(otlp, provider, OTEL_TRACES_SAMPLER="always_off")
    found = context(named(otlp, "execute_tool look_up"))
    assert "chain" in found
    assert "locals" not in found


def test_variables_and_contexts_can_be_switched_off(
    provider: MockProvider, otlp: OtlpServer
) -> None:
    run_to(otlp, provider, SPANLEDGER_ERROR_LOCALS="false")
    assert "locals" not in context(named(otlp, "execute_tool look_up"))


def test_every_span_says_what_runs(provider: MockProvider, otlp: OtlpServer) -> None:
    run_to(
        otlp, provider, "--api-key", SECRET, "--depth=3", "write me a poem",
        CI="true", TEAM_NAME="search", SPANLEDGER_SCRIPT_ENVIRON="TEAM_NAME",
    )  # fmt: skip
    for span in otlp.unique_spans:
        facts = span.resource
        assert facts[semconv.SCRIPT_NAME] == "_failing_agent.py"
        arguments = facts[semconv.SCRIPT_ARGUMENTS]
        assert list(arguments)[0::2] == ["--api-key", "--depth=3"]
        assert arguments[1].startswith("[redacted")
        assert arguments[3] == "<15 characters>"
        assert facts["spanledger.script.environ.CI"] == "true"
        assert facts["spanledger.script.environ.TEAM_NAME"] == "search"
        assert facts["process.runtime.version"] == platform.python_version()
        assert int(facts["process.pid"]) > 0
        assert any(str(one).startswith("openai==") for one in facts[semconv.SCRIPT_LIBRARIES])


def test_nothing_of_the_script_is_told_if_it_is_not_wanted(
    provider: MockProvider, otlp: OtlpServer
) -> None:
    run_to(otlp, provider, "--depth=3", SPANLEDGER_SCRIPT_CONTEXT="false")
    for span in otlp.unique_spans:
        assert not [name for name in span.resource if name.startswith("spanledger.script.")]
