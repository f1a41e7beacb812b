"""From an instrumented agent to an OTLP receiver: every call once, without its content."""

import pytest

from spanledger import semconv
from spanledger.testing.otlp_server import OtlpServer, StoredSpan
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests.boot._run import INSTRUMENT, LIMIT_OF_TWO, Run, run, run_program

#: The stock exporters of metrics and logs are not ours to replace.
TRACES_ONLY = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}


def run_to(otlp: OtlpServer, provider: MockProvider, env: dict[str, str] | None = None) -> Run:
    usage = UsageSpec(input_tokens=1000, output_tokens=500)
    provider.enqueue(*[Reply(text="top secret answer", usage=usage)] * 2)
    to = {"SPANLEDGER_OTLP_ENDPOINT": otlp.endpoint}
    return run(provider, env={**TRACES_ONLY, **LIMIT_OF_TWO, **to, **(env or {})})


def billings(otlp: OtlpServer) -> list[object]:
    found = [span.attributes.get(semconv.BILLING) for span in otlp.spans]
    return sorted(found, key=str)


def calls(otlp: OtlpServer) -> list[StoredSpan]:
    return [s for s in otlp.spans if s.attributes.get(semconv.BILLING) == "call"]


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"OTEL_TRACES_SAMPLER": "always_off"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.0"},
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_PYTHON_DISTRO": "nobody's", "OTEL_PYTHON_CONFIGURATOR": "nobody's"},
    ],
    ids=["default", "always-off", "ratio-0", "no-instrumentor", "no-exporter", "no-distro"],
)
def test_every_call_arrives_exactly_once(
    provider: MockProvider, otlp: OtlpServer, env: dict[str, str]
) -> None:
    done = run_to(otlp, provider, env)
    assert done.outcomes == ["ok", "ok", "BudgetExceeded", "BudgetExceeded"]
    assert billings(otlp) == ["call", "call", "refused", "refused"]
    assert otlp.duplicates == 0
    for span in calls(otlp):
        assert span.attributes[semconv.COST_NANO_USD] == 450_000
        assert span.attributes[semconv.USAGE_INPUT_TOKENS] == 1000
        assert span.attributes[semconv.PROVIDER_NAME] == "openai"


def test_what_was_said_never_leaves(provider: MockProvider, otlp: OtlpServer) -> None:
    run_to(otlp, provider, {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"})
    sent = repr(otlp.spans) + repr(otlp.logs)
    assert "secret" not in sent
    assert calls(otlp)


def test_secrets_of_the_environment_never_leave(provider: MockProvider, otlp: OtlpServer) -> None:
    key = "not-a-real-key-0123456789"
    env = {"MY_API_KEY": key, "OTEL_RESOURCE_ATTRIBUTES": f"service.version=v-{key}"}
    run_to(otlp, provider, env)
    assert calls(otlp)
    assert key not in repr(otlp.spans) + repr(otlp.logs)
    assert calls(otlp)[0].resource["service.version"] == "v-[redacted:environment]"


def test_the_stock_exporter_to_the_same_place_is_superseded(
    provider: MockProvider, otlp: OtlpServer
) -> None:
    """Left alone it would send each span a second time, and complain of a dead port."""
    done = run_to(otlp, provider)
    assert "4317" not in done.stderr
    assert otlp.duplicates == 0


def test_an_exporter_to_the_same_receiver_is_superseded_whatever_names_it(
    provider: MockProvider, otlp: OtlpServer
) -> None:
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    run_to(otlp, provider, env)
    assert billings(otlp) == ["call", "call", "refused", "refused"]
    assert otlp.duplicates == 0


def test_alongside_both_send(provider: MockProvider, otlp: OtlpServer) -> None:
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "SPANLEDGER_EXPORT": "alongside",
    }
    run_to(otlp, provider, env)
    assert len(otlp.unique_spans) == 4
    assert otlp.duplicates == 4


def test_each_refusal_arrives_as_a_log_record(provider: MockProvider, otlp: OtlpServer) -> None:
    run_to(otlp, provider)
    assert {log.event_name for log in otlp.logs} == {semconv.GUARD_EVENT_NAME}
    kinds = [log.attributes[semconv.GUARD_EVENT_KIND] for log in otlp.logs]
    # The second call used the budget up, which is told once.
    assert kinds == ["threshold", "refused", "refused"]
    refusals = otlp.logs[1:]
    refused = {s.span_id for s in otlp.spans if s.attributes[semconv.BILLING] == "refused"}
    assert {log.span_id for log in refusals} == refused
    for log in refusals:
        assert log.attributes[semconv.GUARD_REASON] == "budget_exhausted"
        assert log.attributes[semconv.GUARD_RULE] == "environment-calls"
        assert log.attributes[semconv.GUARD_LIMIT] == 2
        assert log.attributes[semconv.REQUEST_MODEL] == "gpt-4o-mini"
    assert len({log.attributes[semconv.GUARD_DECISION_ID] for log in otlp.logs}) == 3


def test_with_the_sdk_disabled_the_limit_holds_and_nothing_is_sent(
    provider: MockProvider, otlp: OtlpServer
) -> None:
    done = run_to(otlp, provider, {"OTEL_SDK_DISABLED": "true"})
    assert done.outcomes.count("ok") == 2
    assert otlp.spans == []


def test_a_receiver_that_is_not_there_costs_the_agent_nothing_but_its_patience(
    provider: MockProvider,
) -> None:
    env = {"SPANLEDGER_OTLP_ENDPOINT": "http://127.0.0.1:1", "SPANLEDGER_SHUTDOWN_TIMEOUT_S": "0.5"}
    done = run(provider, env={**TRACES_ONLY, **LIMIT_OF_TWO, **env})
    assert done.outcomes.count("ok") == 2
    assert done.status == 0
    assert "could not be sent" in done.stderr or "can't be sent" in done.stderr


def test_streams_that_are_open_when_the_process_ends_arrive_too(
    provider: MockProvider, otlp: OtlpServer
) -> None:
    env = {"SPANLEDGER_EXPORT": "on", "SPANLEDGER_OTLP_ENDPOINT": otlp.endpoint}
    run_program(provider, "end_with_open_streams", env=env, launcher=INSTRUMENT)
    assert {span.attributes[semconv.REQUEST_MODEL] for span in calls(otlp)} == {
        "gpt-4o-mini",
        "claude-haiku-4-5",
    }
    for span in calls(otlp):
        assert span.attributes[semconv.STREAM_OUTCOME] == "abandoned"
        assert span.attributes[semconv.COST_NANO_USD] > 0
    assert otlp.duplicates == 0
