"""Secrets in every place that telemetry has, in every writing: none of them leaves the process."""

import base64
import json
import random
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from spanledger import semconv
from spanledger.testing.otlp_server import OtlpServer, Refuse
from spanledger.testing.providers import Fail, MockProvider, Reply, UsageSpec
from tests.boot._run import INSTRUMENT

_PROGRAM = Path(__file__).with_name("_secret_agent.py")
#: Each place has a key of its own, so that a leak names where it is.
_PLACES = (
    "prompt", "argument", "exception", "status", "span name", "list", "attribute name", "resource",
    "baggage", "link", "trace state", "scope", "chunks", "provider error",
)  # fmt: skip
_DECOYS = ("550e8400-e29b-41d4-a716-446655440000", "task-sk-learn-with-a-rather-long-name")


def _seeds() -> dict[str, str]:
    """Made anew each time: nothing that looks like a secret stands in this repository."""
    letters = random.Random(29)

    def word(length: int) -> str:
        return "".join(letters.choices(string.ascii_letters + string.digits, k=length))

    seeds = {place: "sk" + "-proj-" + word(40) for place in _PLACES}
    return {**seeds, "word": f"hunter-{word(8)}", "environment": f"value-{word(12)}"}


def _writings(seed: str) -> Iterator[bytes]:
    """How a seed might stand in bytes. Its middle is enough: a half of a secret is a leak too."""
    core = seed[4:-4]
    yield core[: len(core) // 2].encode() if len(core) > 20 else core.encode()
    yield core[len(core) // 2 :].encode() if len(core) > 20 else core.encode()
    yield "\u200b".join(core).encode()
    yield json.dumps("\u200b".join(core))[1:-1].encode()
    yield quote(core, safe="").encode()
    yield "".join(f"%{ord(letter):02x}" for letter in core).encode()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + core.encode())
        yield encoded[4 * (before > 0) : -4]


def _leaks(seeds: dict[str, str], data: bytes) -> list[str]:
    return [place for place, seed in seeds.items() if any(text in data for text in _writings(seed))]


def _environment(
    folder: Path, provider: MockProvider, otlp: OtlpServer, seeds: dict[str, str]
) -> dict[str, str]:
    key = seeds["resource"]
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "SPANLEDGER_DATA_DIR": str(folder / "data"),
        "SPANLEDGER_OTLP_ENDPOINT": otlp.endpoint,
        "SPANLEDGER_CONTENT": "full",
        # Everything passes the allow-list: only the redaction is in the way.
        "SPANLEDGER_EXPORT_ALLOW": "*",
        "SPANLEDGER_BUDGET_CALLS": "2",
        "SPANLEDGER_SHUTDOWN_TIMEOUT_S": "2",
        "MY_SERVICE_TOKEN": seeds["environment"],
        "OTEL_RESOURCE_ATTRIBUTES": f"team.note={quote(key)},team.env={seeds['environment']}",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OPENAI_BASE_URL": provider.openai_base_url,
        "OPENAI_API_KEY": seeds["environment"],
    }


def _run(env: dict[str, str], seeds: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*INSTRUMENT, sys.executable, str(_PROGRAM), "run", seeds["argument"]],
        input=json.dumps({**seeds, "decoys": " ".join(_DECOYS)}),
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def _files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture
def otlp() -> Iterator[OtlpServer]:
    with OtlpServer(keep_bodies=True) as server:
        yield server


def _enqueue(provider: MockProvider, seeds: dict[str, str]) -> None:
    """The first call is answered, the second one refused with the key in the message."""
    usage = UsageSpec(input_tokens=10, output_tokens=5)
    said = f"Incorrect API key provided: {seeds['provider error']}"
    provider.enqueue(Reply(text=seeds["prompt"], usage=usage), Fail(status=401, message=said))


def test_no_secret_leaves_the_process(
    provider: MockProvider, otlp: OtlpServer, tmp_path: Path
) -> None:
    """Not in the bytes that are sent, the files that are left, the logs, our exceptions."""
    seeds = _seeds()
    _enqueue(provider, seeds)
    done = _run(_environment(tmp_path, provider, otlp, seeds), seeds)
    assert otlp.wait_for(spans=5, logs=1)
    sent = b"\n".join(otlp.bodies)
    assert len(otlp.bodies) == len(otlp.requests)
    assert _leaks(seeds, sent) == []
    # The redaction was at work, and not the allow-list.
    (spilled,) = [span for span in otlp.spans if span.name.startswith("chat [redacted")]
    assert spilled.attributes["tags"] == ["first", "[redacted:openai-key]", "last"]
    assert spilled.attributes["gen_ai.prompt.plain"] == "it is [redacted:openai-key], really"
    assert spilled.attributes["db.password"] == "[redacted:password]"
    assert spilled.resource["team.env"] == "[redacted:environment]"
    for name, data in _files(tmp_path).items():
        assert _leaks(seeds, data) == [], name
    assert _leaks(seeds, done.stderr.encode()) == [], done.stderr
    refusals = json.loads(done.stdout.splitlines()[-1])["refusals"]
    assert len(refusals) == 1
    assert _leaks(seeds, json.dumps(refusals).encode()) == []
    failed = [s for s in otlp.spans if s.attributes.get(semconv.ERROR_STATUS_CODE) == 401]
    assert failed


def test_no_secret_lies_in_the_spool(
    provider: MockProvider, otlp: OtlpServer, tmp_path: Path
) -> None:
    """While nothing can be sent, all of it waits on disk; a later process sends it as it lies."""
    seeds = _seeds()
    otlp.always(Refuse(status=503))
    env = _environment(tmp_path, provider, otlp, seeds)
    _enqueue(provider, seeds)
    _run(env, seeds)
    files = _files(tmp_path)
    spooled = {name: data for name, data in files.items() if "spool" in name}
    assert sum(map(len, spooled.values())) > 1000
    assert any(b"[redacted:openai-key]" in data for data in spooled.values())
    for name, data in files.items():
        assert _leaks(seeds, data) == [], name
    assert _leaks(seeds, b"\n".join(otlp.bodies)) == []
