"""Whether OpenTelemetry's boot reaches our hook."""

from collections.abc import Mapping
from importlib.metadata import entry_points

from spanledger.cli.checks._result import Result, fail, ok, warn

_HOOK = "spanledger.instrumentation.boot:pre_instrument"
_OTLP = ("otlp_proto_grpc", "otlp_proto_http")
_EXPORTERS = {
    "OTEL_TRACES_EXPORTER": "opentelemetry_traces_exporter",
    "OTEL_METRICS_EXPORTER": "opentelemetry_metrics_exporter",
    "OTEL_LOGS_EXPORTER": "opentelemetry_logs_exporter",
}
_PROTOCOLS = ("grpc", "http/protobuf")
_PROTOCOL_VARIABLES = (
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
)
_RUN = "or start the agent with `spanledger run -- python agent.py`, which puts the guard in first"


def check(environ: Mapping[str, str]) -> list[Result]:
    """The hook, the distribution, both OTLP protocols, and exporters named by the user."""
    return [_hook(), _protocols(), _distro(environ), *_named(environ)]


def _hook() -> Result:
    found = [entry.value for entry in entry_points(group="opentelemetry_pre_instrument")]
    if _HOOK in found:
        return ok("boot hook", "opentelemetry-instrument will call Spanledger.")
    return fail(
        "boot hook",
        "Spanledger's entry point is not registered, so opentelemetry-instrument won't call it.",
        "Install the package again: `pip install --force-reinstall --no-deps spanledger`.",
    )


def _protocols() -> Result:
    present = _names("opentelemetry_traces_exporter")
    missing = [name for name in _OTLP if name not in present]
    if not missing:
        return ok("OTLP exporters", "Both protocols are installed.")
    packages = " ".join(f"opentelemetry-exporter-{name.replace('_', '-')}" for name in missing)
    return fail(
        "OTLP exporters",
        f"{' and '.join(missing)} is missing: with the distribution OpenTelemetry's boot then "
        "aborts and the agent runs without limits.",
        f"Run `pip install {packages}`, {_RUN}.",
    )


def _distro(environ: Mapping[str, str]) -> Result:
    present, wanted = _names("opentelemetry_distro"), environ.get("OTEL_PYTHON_DISTRO", "").strip()
    if wanted and wanted not in present:
        return warn(
            "distribution",
            f"OTEL_PYTHON_DISTRO names {wanted!r}, which is not installed; none is used.",
            f"Unset it, or name one of: {', '.join(sorted(present)) or '(none installed)'}.",
        )
    if not present:
        return warn(
            "distribution",
            "No OpenTelemetry distribution is installed; Spanledger makes the provider itself.",
            "Run `pip install opentelemetry-distro`.",
        )
    if len(present) > 1 and not wanted:
        return warn(
            "distribution",
            f"Several are installed ({', '.join(sorted(present))}) and any one may be used.",
            "Choose one with OTEL_PYTHON_DISTRO.",
        )
    return ok("distribution", f"{wanted or next(iter(present))} is used.")


def _named(environ: Mapping[str, str]) -> list[Result]:
    found = [_exporter(variable, group, environ) for variable, group in _EXPORTERS.items()]
    found += [_protocol(variable, environ) for variable in _PROTOCOL_VARIABLES]
    broken = [result for result in found if result is not None]
    return broken or [ok("exporters named", "Every exporter named in the environment exists.")]


def _exporter(variable: str, group: str, environ: Mapping[str, str]) -> Result | None:
    names = [name.strip() for name in environ.get(variable, "").split(",") if name.strip()]
    known = {*_names(group), "none", "otlp"}
    unknown = [name for name in names if name not in known]
    if not unknown:
        return None
    return fail(
        variable,
        f"It names {', '.join(map(repr, unknown))}, which is not installed: OpenTelemetry's boot "
        "aborts there and the agent runs without limits and traces.",
        f"Name one of {', '.join(sorted(known))}, {_RUN}.",
    )


def _protocol(variable: str, environ: Mapping[str, str]) -> Result | None:
    value = environ.get(variable, "").strip()
    if not value or value in _PROTOCOLS:
        return None
    return fail(
        variable,
        f"It holds {value!r}, which OpenTelemetry for Python does not speak: its boot aborts and "
        "the agent runs without limits and traces.",
        f"Use {' or '.join(_PROTOCOLS)}, {_RUN}.",
    )


def _names(group: str) -> set[str]:
    return {entry.name for entry in entry_points(group=group)}
