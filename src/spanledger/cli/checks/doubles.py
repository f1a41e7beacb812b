"""Two instrumentations of one library, and exporters that ship content."""

from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import entry_points

from spanledger.cli.checks._result import Result, ok, warn
from spanledger.config import ConfigError
from spanledger.processors.endpoint import endpoint_of, same_place

_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
#: Families of instrumentations that record content unless they are told not to.
_TALKATIVE = {
    "openinference-instrumentation": ("OPENINFERENCE_HIDE_INPUTS", "true"),
    "opentelemetry-instrumentation-openai": ("TRACELOOP_TRACE_CONTENT", "false"),
    "opentelemetry-instrumentation-anthropic": ("TRACELOOP_TRACE_CONTENT", "false"),
}


def check(environ: Mapping[str, str]) -> list[Result]:
    """Libraries instrumented twice, and content on its way to a third party."""
    return [_twice(), _content(environ)]


def _instrumentors() -> dict[str, set[str]]:
    """Distributions by the name of the instrumentation that they bring."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in entry_points(group="opentelemetry_instrumentor"):
        found[entry.name].add(entry.dist.name if entry.dist else entry.value)
    return found


def _twice() -> Result:
    doubled = {name: dists for name, dists in _instrumentors().items() if len(dists) > 1}
    if not doubled:
        return ok("instrumentations", "No library is instrumented twice.")
    listed = "; ".join(f"{name}: {', '.join(sorted(d))}" for name, d in sorted(doubled.items()))
    return warn(
        "instrumentations",
        f"Several packages instrument one library, so each call has several spans ({listed}). "
        "Spanledger bills it once.",
        "Uninstall all but one of each; they share a name, so they can't be disabled apart.",
    )


def _content(environ: Mapping[str, str]) -> Result:
    sources = _sources(environ)
    if not sources:
        return ok("content", "No instrumentation is told to record prompts and answers.")
    targets = _host_targets(environ)
    if not targets:
        return ok(
            "content",
            f"{', '.join(sources)} records content, and no exporter of the host sends it.",
        )
    return warn(
        "content",
        f"{', '.join(sources)} records prompts and answers, and the host's exporters "
        f"({', '.join(targets)}) send them as they are.",
        f"Switch the recording off ({', '.join(_off(sources))}), or that exporter.",
    )


def _sources(environ: Mapping[str, str]) -> list[str]:
    found = []
    if environ.get(_CAPTURE, "").strip().lower() not in {"", "false", "no_content"}:
        found.append(_CAPTURE)
    installed = {dist for dists in _instrumentors().values() for dist in dists}
    for family, (variable, off) in _TALKATIVE.items():
        silent = environ.get(variable, "").strip().lower() == off
        if not silent:
            found += sorted(name for name in installed if name.startswith(family))
    return list(dict.fromkeys(found))


def _off(sources: list[str]) -> list[str]:
    ways = []
    for source in sources:
        if source == _CAPTURE:
            ways.append(f"unset {_CAPTURE}")
        ways += [
            f"{v}={off}" for family, (v, off) in _TALKATIVE.items() if source.startswith(family)
        ]
    return list(dict.fromkeys(ways))


def _host_targets(environ: Mapping[str, str]) -> list[str]:
    """Exporters of the host that ours does not replace."""
    names = [n.strip() for n in environ.get("OTEL_TRACES_EXPORTER", "otlp").split(",") if n.strip()]
    return [name for name in names if name != "none" and not _replaced(name, environ)]


def _replaced(name: str, environ: Mapping[str, str]) -> bool:
    """Whether it is the stock OTLP exporter to where ours goes too."""
    from spanledger.cli._locate import settings

    try:
        export = settings().export
    except ConfigError:
        return False
    stock = name in {"otlp", "otlp_proto_grpc", "otlp_proto_http"}
    ours, theirs = endpoint_of(export.endpoint, environ), endpoint_of(None, environ)
    return stock and export.mode == "on" and same_place(ours, theirs)
