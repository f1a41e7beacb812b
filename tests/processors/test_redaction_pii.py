"""Personal data, found by the real Presidio."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from spanledger.config import RedactionSettings
from spanledger.processors.redact.build import redaction_of
from spanledger.processors.redact.cuts import mark
from spanledger.processors.redact.pipeline import Pipeline

_WITHOUT = """
import sys
sys.modules["presidio_analyzer"] = None
sys.path_importer_cache.clear()
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name == "presidio_analyzer" else find(name, *rest)
)
del sys.modules["presidio_analyzer"]
from spanledger.config import ConfigError
from spanledger.processors.redact.pii import PersonalData
try:
    PersonalData(("EMAIL_ADDRESS",))
except ConfigError as error:
    print(error)
"""


def test_without_presidio_it_is_said_how_to_get_it() -> None:
    """At the start, and not by an export that lets everything through."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT], capture_output=True, text=True, check=True
    )
    assert "redaction.pii: Presidio is not installed" in done.stdout
    assert "pip install 'spanledger[pii]'" in done.stdout


@pytest.fixture(scope="module")
def redact() -> Pipeline:
    pytest.importorskip("presidio_analyzer", reason="the extra spanledger[pii] is not installed")
    return redaction_of(RedactionSettings(pii=True), {})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to {} please", "email-address"),
        ("call {} now", "phone-number"),
        ("pay with {} today", "credit-card"),
        ("transfer to {} today", "iban-code"),
    ],
)
def test_personal_data_is_cut_out_by_its_kind(redact: Pipeline, text: str, kind: str) -> None:
    data = {
        "email-address": "alice.miller@example.com",
        "phone-number": "+1 212-555-0187",
        "credit-card": "4111 1111" + " 1111 1111",
        "iban-code": "DE89 3704 0044" + " 0532 0130 00",
    }[kind]
    assert redact(text.format(data)) == text.format(mark(kind))


@pytest.mark.parametrize(
    "text", ["gpt-4o-mini", "2024-07-18T10:11:12Z", "tokens: 12345", "chat demo", "openai", "stop"]
)
def test_names_and_numbers_of_telemetry_stay(redact: Pipeline, text: str) -> None:
    assert redact(text) == text


def test_nothing_is_asked_of_the_network(redact: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Presidio downloads models and lists of domains when it is left to itself."""

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    fresh = redaction_of(RedactionSettings(pii=True), {})
    assert fresh("mail bob.miller@example.co.uk") == f"mail {mark('email-address')}"
    assert fresh.failures() == {}


def test_names_of_people_are_found_by_a_model(redact: Pipeline, tmp_path: Path) -> None:
    """A spaCy pipeline from a folder; here one that knows a single name."""
    import spacy

    model = spacy.blank("en")
    model.add_pipe("entity_ruler").add_patterns(  # type: ignore[attr-defined]  # typed as a function
        [{"label": "PERSON", "pattern": "Alice Miller"}]
    )
    model.to_disk(tmp_path / "model")
    chosen = RedactionSettings(
        pii=True, pii_entities=("PERSON",), pii_model=str(tmp_path / "model")
    )
    assert redaction_of(chosen, {})("Alice Miller is here") == f"{mark('person')} is here"


def test_a_model_that_is_not_installed_costs_the_values(
    redact: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not downloaded, and nothing leaves without having been looked at."""
    chosen = RedactionSettings(pii=True, pii_model="no_such_model")
    fresh = redaction_of(chosen, {})
    assert fresh("Alice Miller is here") == mark("pii-failed")
    assert fresh.failures() == {"pii": 1}


def test_presidio_is_not_loaded_before_it_is_needed() -> None:
    program = (
        "import sys; from spanledger.processors.redact.pii import PersonalData;"
        "PersonalData(('EMAIL_ADDRESS',));"
        "print('spacy' in sys.modules, 'presidio_analyzer' in sys.modules)"
    )
    pytest.importorskip("presidio_analyzer", reason="the extra spanledger[pii] is not installed")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
