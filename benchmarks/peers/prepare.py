"""How each candidate is switched on, as its documentation says, with an exporter of ours.

All of them export through a batch processor into `exporter`; content is captured where that is
the default; metrics are off. Nobody gets a network: what some fetch at start is given by file.
"""

import json
import os
import tempfile
from collections.abc import Callable
from importlib import import_module
from typing import Any

#: USD for 1 000 tokens. OpenLIT downloads such a file when it starts.
_PRICES = {
    "gpt-4o-mini": {"promptPrice": 0.00015, "completionPrice": 0.0006, "cacheReadPrice": 0.000075},
    "gpt-4o": {"promptPrice": 0.0025, "completionPrice": 0.01, "cacheReadPrice": 0.00125},
    "o4-mini": {"promptPrice": 0.0011, "completionPrice": 0.0044, "cacheReadPrice": 0.000275},
    "gpt-5-mini": {"promptPrice": 0.00025, "completionPrice": 0.002, "cacheReadPrice": 0.000025},
}


def _provider(exporter: Any) -> Any:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    made = TracerProvider()
    made.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(made)
    return made


def _nothing(exporter: Any) -> None:
    """The client alone."""


def _span(exporter: Any) -> None:
    _provider(exporter)


def _official(exporter: Any) -> None:
    _provider(exporter)
    import_module("opentelemetry.instrumentation.genai.openai").OpenAIInstrumentor().instrument()


def _openllmetry(exporter: Any) -> None:
    _provider(exporter)
    import_module("opentelemetry.instrumentation.openai").OpenAIInstrumentor().instrument()


def _openinference(exporter: Any) -> None:
    _provider(exporter)
    import_module("openinference.instrumentation.openai").OpenAIInstrumentor().instrument()


def _langfuse(exporter: Any) -> None:
    # No key that a scanner would take for one.
    os.environ |= {"LANGFUSE_HOST": "http://127.0.0.1:9", "LANGFUSE_MEDIA_UPLOAD_ENABLED": "false"}
    made = import_module("langfuse")
    made.Langfuse(public_key="none", secret_key="none", span_exporter=exporter)  # noqa: S106
    import_module("langfuse.openai")


def _logfire(exporter: Any) -> None:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    made = import_module("logfire")
    processors = [BatchSpanProcessor(exporter)]
    made.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        inspect_arguments=False,
        additional_span_processors=processors,
    )
    made.instrument_openai()


def _openlit(exporter: Any) -> None:
    _provider(exporter)
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as prices:
        json.dump({"chat": _PRICES, "embeddings": {}, "images": {}, "audio": {}}, prices)
    registry = import_module("openlit._instrumentors")
    others = [name for name in registry.MODULE_NAME_MAP if name != "openai"]
    import_module("openlit").init(
        disable_metrics=True,
        disable_events=True,
        pricing_json=prices.name,
        disabled_instrumentors=others,
    )
    os.unlink(prices.name)


def _spanledger(exporter: Any, store: str = "memory") -> None:
    """Gate, guard with four budgets, prices, spans."""
    from spanledger.guard import Budget, Policy
    from spanledger.instrumentation import install

    rules = (
        Budget("cost-day", "cost", 10**15, "day"),
        Budget("cost-session", "cost", 10**15, "total", "session"),
        Budget("tokens-hour", "tokens", 10**12, "hour"),
        Budget("calls-agent", "calls", 10**9, "total", "agent"),
    )
    _provider(exporter)
    install(overrides={"export.mode": "off", "guard.store": store}, policy=Policy(rules))


def _spanledger_file(exporter: Any) -> None:
    """The default: a ledger in a file, which all processes of the machine share."""
    os.environ["SPANLEDGER_DATA_DIR"] = tempfile.mkdtemp()
    _spanledger(exporter, "sqlite")


PREPARE: dict[str, Callable[[Any], None]] = {
    "bare": _nothing,
    "bare2": _nothing,
    "span": _span,
    "official": _official,
    "spanledger": _spanledger,
    "spanledger-file": _spanledger_file,
    "langfuse": _langfuse,
    "openlit": _openlit,
    "openinference": _openinference,
    "openllmetry": _openllmetry,
    "logfire": _logfire,
}
