"""`opentelemetry-instrument` with other versions and beside other instrumentations."""

from pathlib import Path

import pytest

from spanledger import semconv
from spanledger.processors.attribution import is_inference
from spanledger.testing.otlp_server import OtlpServer
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from tests.boot._run import LIMIT_OF_TWO, Run, instrument, run
from tests.matrix._sets import SETS, interpreter

RECORDS = {"call", "attempt", "unsent"}
ANSWER = Reply(text="Yes.", usage=UsageSpec(input_tokens=1000, output_tokens=500))
NO_EXPORT = {"SPANLEDGER_EXPORT": "off", "OTEL_TRACES_EXPORTER": "none"}


def run_under(python: Path, provider: MockProvider, env: dict[str, str]) -> Run:
    quiet = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    found = {**quiet, **LIMIT_OF_TWO, **env}
    return run(provider, env=found, launcher=instrument(str(python)), python=str(python))


#: The agent that is started asks OpenAI's client.
WITH_OPENAI = [name for name, wanted in SETS.items() if any("openai" in one for one in wanted)]


@pytest.mark.parametrize("environment", WITH_OPENAI)
def test_an_instrumented_agent_is_limited_and_each_call_arrives_once(environment: str) -> None:
    python = interpreter(environment)
    with MockProvider(ANSWER) as provider, OtlpServer() as otlp:
        done = run_under(python, provider, {"SPANLEDGER_OTLP_ENDPOINT": otlp.endpoint})
        assert done.outcomes == ["ok", "ok", "BudgetExceeded", "BudgetExceeded"], done.stderr
        assert provider.calls() == 2
        records = [s for s in otlp.spans if is_record(dict(s.attributes))]
        assert [s.attributes[semconv.COST_NANO_USD] for s in records] == [450_000] * 2
        # Two refusals, and the threshold that the second call reached.
        assert len(otlp.logs) == 3


def is_record(attributes: dict[str, object]) -> bool:
    """Whether the warehouse makes a call record of a span with these attributes."""
    billing = attributes.get(semconv.BILLING)
    return billing in RECORDS if billing else is_inference(attributes)


@pytest.mark.parametrize("environment", ["official", "foreign"])
@pytest.mark.parametrize(
    "env",
    [
        {"OTEL_TRACES_SAMPLER": "always_off"},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
    ],
    ids=["always-off", "sdk-disabled", "no-instrumentor"],
)
def test_beside_other_instrumentations_nothing_opens_the_limit(
    environment: str, env: dict[str, str]
) -> None:
    python = interpreter(environment)
    with MockProvider(ANSWER) as provider:
        done = run_under(python, provider, {**env, **NO_EXPORT})
        assert done.outcomes == ["ok", "ok", "BudgetExceeded", "BudgetExceeded"], done.stderr
        assert provider.calls() == 2
