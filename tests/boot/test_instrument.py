"""`opentelemetry-instrument python agent.py`: the limit holds whatever OpenTelemetry is told."""

from pathlib import Path

import pytest

from spanledger.testing.providers import MockProvider
from tests.boot._run import LIMIT_OF_TWO, SILENT, run

REFUSED = ["ok", "ok", "BudgetExceeded", "BudgetExceeded"]


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"OTEL_TRACES_SAMPLER": "always_off"},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
        {"OTEL_PYTHON_DISTRO": "nobody's", "OTEL_PYTHON_CONFIGURATOR": "nobody's"},
        {"OTEL_PROPAGATORS": "none"},
    ],
    ids=["default", "always-off", "sdk-disabled", "no-instrumentor", "no-distro", "no-propagator"],
)
def test_two_of_four_calls_are_sent(provider: MockProvider, env: dict[str, str]) -> None:
    done = run(provider, env={**SILENT, **LIMIT_OF_TWO, **env})
    assert done.outcomes == REFUSED
    assert provider.calls() == 2
    assert done.status == 0


DISTRO = """
from opentelemetry import trace
from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.sdk._configuration import _BaseConfigurator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider


class Distro(BaseDistro):
    def _configure(self, **kwargs):
        print("vendor distro")


class Configurator(_BaseConfigurator):
    def _configure(self, **kwargs):
        trace.set_tracer_provider(TracerProvider(resource=Resource({"vendor": "yes"})))
"""
ENTRY_POINTS = """
[opentelemetry_distro]
vendor = vendor_distro:Distro
[opentelemetry_configurator]
vendor = vendor_distro:Configurator
"""


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    """A folder with somebody else's distro in it, as an installed distribution."""
    (tmp_path / "vendor_distro.py").write_text(DISTRO)
    metadata = tmp_path / "vendor_distro-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: vendor-distro\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    return tmp_path


def test_the_distro_and_configurator_of_a_vendor_are_left_in_charge(
    provider: MockProvider, vendor: Path
) -> None:
    chosen = {"OTEL_PYTHON_DISTRO": "vendor", "OTEL_PYTHON_CONFIGURATOR": "vendor"}
    done = run(provider, env={**SILENT, **LIMIT_OF_TWO, **chosen, "PYTHONPATH": str(vendor)})
    assert done.outcomes == REFUSED
    assert provider.calls() == 2


def test_a_broken_exporter_stops_opentelemetrys_boot_before_ours(provider: MockProvider) -> None:
    """The documented hole: no hook of ours is ever called. `spanledger run` closes it."""
    done = run(provider, env={**SILENT, **LIMIT_OF_TWO, "OTEL_TRACES_EXPORTER": "no-such"})
    assert "Failed to auto initialize OpenTelemetry" in done.stderr or "no-such" in done.stderr
    assert done.outcomes == ["ok"] * 4
    assert provider.calls() == 4


def test_a_broken_instrumentor_of_somebody_else_does_not_matter(
    provider: MockProvider, vendor: Path
) -> None:
    (vendor / "vendor_distro.py").write_text("raise RuntimeError('broken')\n")
    (vendor / "vendor_distro-1.0.dist-info" / "entry_points.txt").write_text(
        "[opentelemetry_instrumentor]\nbroken = vendor_distro:Nothing\n"
    )
    done = run(provider, env={**SILENT, **LIMIT_OF_TWO, "PYTHONPATH": str(vendor)})
    assert done.outcomes == REFUSED
    assert provider.calls() == 2


def test_nothing_heavy_is_loaded_that_the_agent_did_not_load(provider: MockProvider) -> None:
    done = run(provider, env={**SILENT, **LIMIT_OF_TWO})
    assert done.report["loaded"] == ["openai"]
