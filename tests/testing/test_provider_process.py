"""The mock provider as a process of its own, and what importing it costs."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import openai
import pytest

MODULE = [sys.executable, "-m", "spanledger.testing.providers"]


def test_it_prints_its_url_serves_and_ends_on_sigterm() -> None:
    with subprocess.Popen(
        [*MODULE, "--port", "0", "--print-url"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        reply = client.responses.create(model="gpt-4o-mini", input="hello")
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=10) == 0
    assert reply.output_text == "echo: hello"


def test_a_setup_function_scripts_it_and_it_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "my_script.py").write_text(
        textwrap.dedent(
            """
            from spanledger.testing.providers import MockProvider, Reply

            def setup(provider: MockProvider) -> None:
                provider.on("gpt-4o-mini", Reply(text="scripted"))
            """
        )
    )
    options = ["--print-url", "--until-stdin-closes", "--setup", "my_script:setup"]
    with subprocess.Popen(
        [*MODULE, *options],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        assert client.responses.create(model="gpt-4o-mini", input="x").output_text == "scripted"
        process.stdin.close()

        assert process.wait(timeout=10) == 0


def test_a_setup_without_a_function_is_explained() -> None:
    result = subprocess.run(
        [*MODULE, "--setup", "json"], capture_output=True, text=True, check=False, timeout=30
    )

    assert result.returncode == 1
    assert "MODULE:FUNCTION" in result.stderr


@pytest.mark.parametrize("module", ["providers", "clock", "otlp_server"])
def test_importing_it_loads_the_standard_library_only(module: str) -> None:
    program = (
        f"import sys; import spanledger.testing.{module}; "
        "heavy = {'openai', 'anthropic', 'httpx', 'httpx2', 'opentelemetry', 'google', 'pytest'}; "
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )

    assert result.stdout.strip() == "[]"
