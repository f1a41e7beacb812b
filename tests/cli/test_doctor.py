"""`spanledger doctor`: each of the usual mistakes is found, and how to mend it is said."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from spanledger.cli.checks import boot, doubles, environment
from spanledger.cli.checks._result import Result
from spanledger.cli.checks.versions import release
from spanledger.testing.otlp_server import OtlpServer, Refuse
from tests.cli._program import json_of, run_cli
from tests.cli.conftest import History


def _find(home: Path, *arguments: str, environ: dict[str, str] | None = None) -> dict[str, Any]:
    done = run_cli("doctor", "--json", *arguments, cwd=home, environ=environ)
    found = {result["name"]: result for result in json_of(done)["results"]}
    assert done.returncode == any(result["status"] == "fail" for result in found.values())
    return found


@pytest.mark.storage
def test_a_sound_setup_has_no_failure(history: History, home: Path) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": history.info.otlp_endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "SPANLEDGER_BUDGET_USD": "5",
    }
    found = _find(home, *history.where, environ=environ)
    assert {result["status"] for result in found.values()} == {"ok"}
    assert {"gate openai", "gate anthropic", "collector", "schema", "local stack"} <= found.keys()
    assert "$5.00 per global and total" in found["policy"]["detail"]


def test_whatever_is_not_right_says_how_to_mend_it(home: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    (home / "spanledger.toml").write_text("[[budgets]]\nname = 'x'\nmetric = 'gold'\n")
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": nobody,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "nonsense",
        "OTEL_SDK_DISABLED": "true",
    }
    found = _find(home, environ=environ)
    bad = {name: result["status"] for name, result in found.items() if result["status"] != "ok"}
    assert bad == {
        "OTEL_TRACES_EXPORTER": "fail",
        "OTEL_SDK_DISABLED": "warn",
        "policy": "fail",
        "collector": "fail",
        "ClickHouse": "fail",
    }
    assert all(found[name]["mend"] for name in bad)
    assert "spanledger run" in found["OTEL_TRACES_EXPORTER"]["mend"]
    assert "line 3: budgets[0].metric" in found["policy"]["detail"]


@pytest.mark.storage
def test_a_database_that_is_not_migrated_is_found(history: History, home: Path) -> None:
    url = history.info.clickhouse_url.rpartition("/")[0] + "/empty_database"
    found = _find(home, "--url", url)
    assert (found["ClickHouse"]["status"], found["schema"]["status"]) == ("ok", "fail")


def test_a_collector_that_refuses_is_told_from_one_that_is_not_there(home: Path) -> None:
    with OtlpServer(Refuse(status=401)) as collector:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
        found = _find(home, environ=environ)
    assert found["collector"]["status"] == "fail"
    assert "401" in found["collector"]["detail"]


def test_a_gate_that_can_not_be_put_in_is_a_failure(home: Path) -> None:
    """A client library of a shape that no gate knows."""
    folder = home / "site" / "openai"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("", encoding="utf-8")
    found = _find(home, environ={"PYTHONPATH": str(home / "site")})
    assert found["gate openai"]["status"] == "fail"
    assert "NOT limited" in found["gate openai"]["detail"]
    assert found["gate anthropic"]["status"] == "ok"


def test_two_instrumentations_of_one_library_are_named(home: Path) -> None:
    for name in ("official-openai", "other-openai"):
        info = home / "site" / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[opentelemetry_instrumentor]\nopenai = nowhere:X\n")
    found = _find(home, environ={"PYTHONPATH": str(home / "site")})
    assert found["instrumentations"]["status"] == "warn"
    assert "openai: official-openai, other-openai" in found["instrumentations"]["detail"]


def _statuses(results: list[Result]) -> dict[str, str]:
    return {result.name: result.status for result in results}


@pytest.mark.parametrize(
    ("environ", "name", "status"),
    [
        ({}, "exporters named", "ok"),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, "exporters named", "ok"),
        ({"OTEL_METRICS_EXPORTER": "nonsense"}, "OTEL_METRICS_EXPORTER", "fail"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL", "fail"),
        ({"OTEL_PYTHON_DISTRO": "nonsense"}, "distribution", "warn"),
    ],
)
def test_what_breaks_the_boot_is_found_before_it_does(
    environ: dict[str, str], name: str, status: str
) -> None:
    assert _statuses(boot.check(environ))[name] == status


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_SDK_DISABLED": "TRUE"},
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
        {"SPANLEDGER_ENABLED": "no"},
        {"SPANLEDGER_EXPORT": "off"},
        {"SPANLEDGER_ON_INVALID_POLICY": "warn"},
    ],
)
def test_what_is_switched_off_is_named(environ: dict[str, str]) -> None:
    assert _statuses(environment.check(environ)) == {next(iter(environ)): "warn"}


_CAPTURE = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"}


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({}, "ok"),
        (_CAPTURE, "ok"),  # the stock exporter to our own address is replaced
        ({**_CAPTURE, "OTEL_TRACES_EXPORTER": "none"}, "ok"),
        ({**_CAPTURE, "OTEL_TRACES_EXPORTER": "console"}, "warn"),
    ],
)
def test_content_that_leaves_through_the_hosts_exporters_is_warned_of(
    environ: dict[str, str], status: str
) -> None:
    assert _statuses(doubles.check(environ))["content"] == status


def test_versions_are_compared_as_numbers() -> None:
    assert [release(v) for v in ("0.66b1", "1.45.1", "2")] == [(0, 66), (1, 45), (2,)]


def test_the_words_are_those_of_the_json(home: Path) -> None:
    words = run_cli("doctor", cwd=home)
    assert words.returncode == 1
    assert f"Python {sys.version.split(maxsplit=1)[0]}" in words.stdout
    assert "→ " in words.stdout
    assert "failures" in words.stdout.splitlines()[-1]
