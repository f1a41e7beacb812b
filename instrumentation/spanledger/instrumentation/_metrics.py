"""The conventions' client metrics, for calls that no other instrumentation measures."""

import functools
import os
import time
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import _internal

from spanledger import semconv
from spanledger.instrumentation._facts import Request
from spanledger.usage import Usage

#: Bucket bounds that the GenAI conventions advise.
_TOKEN_BOUNDS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216,
                 67108864]  # fmt: skip
_DURATION_BOUNDS_S = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48,
                      40.96, 81.92]  # fmt: skip


#: A process without a meter provider must not pay for metrics (15 µs a call).
_NO_METRICS = frozenset({metrics.NoOpMeterProvider, _internal._ProxyMeterProvider})


#: Whether a meter provider is loaded by its name when it is first asked for.
_is_named = "OTEL_PYTHON_METER_PROVIDER" in os.environ


def _nobody_measures() -> bool:
    # The API looks into the environment each time it is asked for a provider that was never set.
    if not _is_named and getattr(_internal, "_METER_PROVIDER", _internal) is None:
        return True
    return type(metrics.get_meter_provider()) in _NO_METRICS


@functools.cache
def _instruments() -> tuple[Any, Any]:
    meter = metrics.get_meter("spanledger.instrumentation")
    tokens = meter.create_histogram(
        semconv.METRIC_TOKEN_USAGE,
        "{token}",
        "Tokens that calls used.",
        explicit_bucket_boundaries_advisory=_TOKEN_BOUNDS,
    )
    duration = meter.create_histogram(
        semconv.METRIC_OPERATION_DURATION,
        "s",
        "How long calls took.",
        explicit_bucket_boundaries_advisory=_DURATION_BOUNDS_S,
    )
    return tokens, duration


@functools.cache
def _unpriced_calls() -> Any:
    meter = metrics.get_meter("spanledger.instrumentation")
    return meter.create_counter(
        semconv.METRIC_UNPRICED_CALLS, "{call}", "Calls of models that have no price."
    )


def record_unpriced(request: Request) -> None:
    """Count a call that nobody knows the cost of: every cost that is shown leaves it out."""
    if not _nobody_measures():
        named = {semconv.PROVIDER_NAME: request.provider, semconv.REQUEST_MODEL: request.model}
        _unpriced_calls().add(1, named)


def record_call(request: Request, usage: Usage, started_ns: int, error_type: str | None) -> None:
    """Record one call that ends now: its duration, and its tokens if they are known."""
    if _nobody_measures():
        return
    duration_s = (time.time_ns() - started_ns) / 1e9
    tokens, duration = _instruments()
    attributes = {
        semconv.OPERATION_NAME: request.operation,
        semconv.PROVIDER_NAME: request.provider,
        semconv.REQUEST_MODEL: request.model,
    }
    failed = {semconv.ERROR_TYPE: error_type} if error_type else {}
    duration.record(duration_s, {**attributes, **failed})
    if usage.source != "missing" and usage.total_tokens:
        tokens.record(usage.input_tokens, {**attributes, semconv.TOKEN_TYPE: "input"})
        tokens.record(usage.output_tokens, {**attributes, semconv.TOKEN_TYPE: "output"})
