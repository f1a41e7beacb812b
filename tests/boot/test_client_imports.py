"""Each client is gated whenever it comes, and is never imported for the gate's sake."""

import json
import subprocess
import sys

import pytest

#: The name of a client's report, the module that a program imports, and the one that is watched.
CLIENTS = [
    ("openai", "openai", "openai"),
    ("anthropic", "anthropic", "anthropic"),
    ("google-genai", "google.genai", "google.genai"),
    ("botocore", "boto3", "botocore.client"),
    ("botocore", "botocore.session", "botocore.client"),
    ("mistralai", "mistralai.client.chat", "mistralai.client.basesdk"),
    ("cohere", "cohere.client", "cohere.core.http_client"),
    ("ollama", "ollama", "ollama._client"),
]
PROGRAM = """
import importlib, json, sys
name, module, watched, when = sys.argv[1:]
from spanledger.instrumentation import _hooks, install
if when == "after":
    importlib.import_module(module)
    install(overrides={"export.mode": "off", "guard.store": "memory"}, make_provider=False)
else:
    install(overrides={"export.mode": "off", "guard.store": "memory"}, make_provider=False)
    early = watched in sys.modules
    importlib.import_module(module)
    assert not early
report = _hooks.reports[name]
print(json.dumps([report.state, report.detail, len(report.wrapped)]))
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("name", "module", "watched"), CLIENTS)
def test_a_client_is_gated_when_it_is_imported(
    name: str, module: str, watched: str, when: str
) -> None:
    child = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, module, watched, when],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    state, detail, wrapped = json.loads(child.stdout.splitlines()[-1])
    assert (state, detail) == ("active", "")
    assert wrapped >= 2
