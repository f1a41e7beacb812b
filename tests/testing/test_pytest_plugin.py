"""The fixtures, as a project of its own would use them."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from spanledger.testing.clock import DEFAULT_START_S, TickingClock


def test_the_clock_and_the_ids_are_fresh(
    ticking_clock: TickingClock, sequential_ids: Callable[[], str]
) -> None:
    assert ticking_clock() == DEFAULT_START_S
    assert sequential_ids() == "id-000001"


def test_a_project_names_the_plugin_and_has_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["spanledger.testing.pytest_plugin"]\n')
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent(
            """
            def test_all(mock_provider, otlp_server, captured_spans, ticking_clock):
                captured_spans.tracer().start_span("x").end()
                assert captured_spans.tree() == "x"
                assert mock_provider.url != otlp_server.endpoint
            """
        )
    )
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_the_fixtures_are_not_there_unless_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(mock_provider): pass\n")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "fixture 'mock_provider' not found" in result.stdout
