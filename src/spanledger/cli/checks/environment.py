"""Variables that switch something off."""

from collections.abc import Mapping

from spanledger.cli.checks._result import Result, ok, warn

_FALSE = frozenset({"false", "0", "no", "off"})


def check(environ: Mapping[str, str]) -> list[Result]:
    """What of OpenTelemetry or Spanledger is switched off by the environment."""
    found = [*_opentelemetry(environ), *_ours(environ)]
    return found or [ok("environment", "Nothing is switched off.")]


def _opentelemetry(environ: Mapping[str, str]) -> list[Result]:
    found = []
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        found.append(
            warn(
                "OTEL_SDK_DISABLED",
                "Limits hold, but no call is recorded.",
                "Unset it where calls should be recorded.",
            )
        )
    disabled = environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").strip()
    if disabled:
        found.append(
            warn(
                "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
                f"{disabled!r}: limits hold and calls are recorded; other spans are missing.",
                "Unset it if those spans are wanted.",
            )
        )
    return found


def _ours(environ: Mapping[str, str]) -> list[Result]:
    found = []
    if environ.get("SPANLEDGER_ENABLED", "").strip().lower() in _FALSE:
        found.append(
            warn(
                "SPANLEDGER_ENABLED",
                "Spanledger is switched off: nothing is limited, nothing is metered.",
                "Unset it.",
            )
        )
    if environ.get("SPANLEDGER_EXPORT", "").strip() == "off":
        found.append(
            warn(
                "SPANLEDGER_EXPORT",
                "Our exporter is off: only the host's exporters send, without unsampled calls.",
                "Unset it, unless the host's collector feeds the warehouse.",
            )
        )
    if environ.get("SPANLEDGER_ON_INVALID_POLICY", "").strip() == "warn":
        found.append(
            warn(
                "SPANLEDGER_ON_INVALID_POLICY",
                "A policy that can't be read would let every call through.",
                "Unset it once the policy is valid.",
            )
        )
    return found
