"""What users say about the redaction: classes, patterns, a hook, and what can't be used."""

import logging
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.config import ConfigError, RedactionSettings, load_settings, read_document
from spanledger.processors.redact.build import redaction_of
from spanledger.processors.redact.cuts import REDACTED, mark
from spanledger.processors.redact.environment import EnvironmentSecrets
from spanledger.processors.redact.extra import PatternError, extra_pattern
from spanledger.processors.redact.lazy import Redaction, check_redaction
from tests.processors._secrets import LETTERS, TOKENS

OPENAI = TOKENS["openai-key"]
UseHook = Callable[[Callable[[str], object]], str]


@pytest.fixture
def use_hook(monkeypatch: pytest.MonkeyPatch) -> UseHook:
    """Makes a function importable; its path."""

    def use(function: Callable[[str], object]) -> str:
        module = types.ModuleType("users_module")
        module.clean = function  # type: ignore[attr-defined]  # a module made here
        monkeypatch.setitem(sys.modules, "users_module", module)
        return "users_module:clean"

    return use


# --- patterns ---------------------------------------------------------------------------------


def test_a_pattern_of_ones_own_is_cut_out_and_named() -> None:
    """Group 1 is what is cut out, if there is one."""
    own = RedactionSettings(patterns=("ticket: TCK-[0-9]{6}", "badge: badge=([A-Z]{2}[0-9]{4})"))
    redact = redaction_of(own, {})
    assert redact("see TCK-123456 of badge=AB1234") == (
        f"see {mark('ticket')} of badge={mark('badge')}"
    )


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("no colon", "name: expression"),
        ("Bad Name: x", "name: expression"),
        ("empty:", "1 to 1000 characters"),
        ("long: " + "x" * 1001, "1 to 1000 characters"),
        ("broken: [a-z", "not a regular expression"),
        ("nothing: a{0,5}", "empty text"),
        ("nothing: (?=a)", "empty text"),
        ("star: a+b", "no bound"),
        ("star: a*b", "no bound"),
        ("star: a{3,}b", "no bound"),
        ("star: (?:a|b+)c", "no bound"),
        ("nested: (?:a{1,100}){1,100}b", "slow"),
        ("nested: (?:a|aa){1,60}b", "slow"),
        ("rows: a{1,500}a{1,500}b", "slow"),
        ("rows: .{1,90}-.{1,90}-.{1,90}x", "slow"),
        ("atomic: (?>(?:a|aa){1,60}b)c", "slow"),
        ("ahead: (?=(?:a{1,200}){1,200}b)a", "slow"),
    ],
)
def test_a_pattern_that_could_be_slow_or_senseless_is_refused(entry: str, why: str) -> None:
    with pytest.raises(PatternError, match=why):
        extra_pattern(entry)


@pytest.mark.parametrize(
    "entry",
    [
        "id: [A-Z]{2,10}-[0-9]{4,8}",
        "key: acme_[a-z]{20,200}+\\.[a-z]{10,200}+",
        "possessive: a{1,4000}+b{1,4000}+c",
        "either: (?:prod|test)_[0-9a-f]{32}",
        "look: (?<=id=)[0-9]{8}",
        "lazy: a{1,50}?b",
        "atomic: (?>a{1,40}|b{1,40})c{1,9}",
    ],
)
def test_a_pattern_with_bounds_is_accepted_and_is_quick(entry: str) -> None:
    """Also on texts that nearly match it, again and again."""
    extra = extra_pattern(entry)
    for text in ("a" * 20_000, "A-1" * 7000, "acme_" + "a" * 20_000, "prod_" * 4000, "id=1" * 5000):
        start = time.thread_time()
        list(extra.find(text))
        assert time.thread_time() - start < 2.0


_PARTS = st.sampled_from(["a", "[ab]", "(?:a|b)", "(?:a|aa)", "."])
_BOUNDS = st.sampled_from(["", "{1,3}", "{2,30}", "{0,200}", "{1,9}+", "?", "{1,60}?"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(_PARTS, _BOUNDS), min_size=1, max_size=4), _BOUNDS)
def test_no_accepted_pattern_is_slow(parts: list[tuple[str, str]], around: str) -> None:
    """The worst that a match can do is bounded by the number of its ways."""
    body = "".join(part + bound for part, bound in parts)
    try:
        extra = extra_pattern(f"own: x(?:{body}){around}y")
    except PatternError:
        return
    start = time.thread_time()
    list(extra.find(("x" + "a" * 300) * 4))
    assert time.thread_time() - start < 2.0


def test_a_setting_that_cannot_be_used_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "spanledger.toml"
    path.write_text('[redaction]\nkeep = ["a"]\npatterns = ["a: b+"]\n')
    document = read_document(path)
    chosen = load_settings(document, environ={}).redaction
    with pytest.raises(ConfigError, match=r"line 3: redaction\.patterns: .*no bound") as error:
        check_redaction(chosen, {}, document)
    assert "'a: b+'" in str(error.value)
    path.write_text('[redaction]\noff = ["openai"]\n')
    document = read_document(path)
    chosen = load_settings(document, environ={}).redaction
    with pytest.raises(ConfigError, match=r"line 2: redaction\.off: no such class .*openai-key"):
        check_redaction(chosen, {}, document)


def test_classes_are_switched_off_and_on() -> None:
    number = "4111 1111" + " 1111 1111"
    redact = redaction_of(RedactionSettings(off=("openai-key",), on=("credit-card",)), {})
    assert redact(f"{OPENAI} {number}") == f"{OPENAI} {mark('credit-card')}"


def test_settings_come_from_the_environment_too() -> None:
    environ = {"SPANLEDGER_REDACTION_OFF": "jwt, cookie", "SPANLEDGER_REDACTION_KEEP": "a.*"}
    chosen = load_settings(environ=environ).redaction
    assert (chosen.off, chosen.keep) == (("jwt", "cookie"), ("a.*",))


def test_settings_of_no_use_leave_the_default_redaction(caplog: pytest.LogCaptureFixture) -> None:
    """Where they were not refused at the start, because the user wants to be warned only."""
    redact = Redaction(RedactionSettings(off=("nonsense",)), {"MY_KEY": "swordfish-1"})
    assert redact(f"{OPENAI} swordfish-1") == f"{mark('openai-key')} {REDACTED}"
    assert redact.cut(OPENAI) == mark("openai-key")
    assert "nonsense" in caplog.text


# --- the hook ---------------------------------------------------------------------------------


def test_the_hook_gets_each_text_without_secrets(use_hook: UseHook) -> None:
    """It may not bring one back, either."""
    seen: list[str] = []

    def clean(text: str) -> str:
        seen.append(text)
        return text.replace("Alice", "somebody") + OPENAI

    redact = redaction_of(RedactionSettings(hook=use_hook(clean)), {"A_KEY": "swordfish-1"})
    assert redact("Alice has swordfish-1 ") == f"somebody has {REDACTED} {mark('openai-key')}"
    assert seen == [f"Alice has {REDACTED} "]


@pytest.mark.parametrize("result", [None, 5, b"bytes"])
def test_a_hook_that_returns_no_text_costs_the_value(use_hook: UseHook, result: object) -> None:
    redact = redaction_of(RedactionSettings(hook=use_hook(lambda text: result)), {})
    assert redact("anything") == mark("hook-failed")
    assert redact.failures() == {"hook": 1}


def test_a_hook_that_raises_costs_the_value_and_is_said_once(
    use_hook: UseHook, caplog: pytest.LogCaptureFixture
) -> None:
    """What the error says may be the value itself, so that is not logged."""

    def clean(text: str) -> str:
        raise ValueError(text)

    redact = redaction_of(RedactionSettings(hook=use_hook(clean)), {})
    for _ in range(3):
        assert redact("private matters") == mark("hook-failed")
    assert redact.failures() == {"hook": 3}
    assert len(caplog.records) == 1
    assert "ValueError" in caplog.text
    assert "private matters" not in caplog.text


@pytest.mark.parametrize("path", ["no_such_module_anywhere:clean", "os:no_such_function", "os:sep"])
def test_a_hook_that_is_not_there_costs_the_values(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    redact = redaction_of(RedactionSettings(hook=path), {})
    assert redact("private matters") == mark("hook-failed")
    assert caplog.records[0].levelno == logging.ERROR


@pytest.mark.parametrize("path", ["os", "os:", ":x", "a b:c", "os:path join"])
def test_a_hook_that_is_no_path_of_a_function_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"redaction\.hook"):
        redaction_of(RedactionSettings(hook=path), {})


# --- the environment --------------------------------------------------------------------------


def test_secrets_that_come_into_the_environment_later_are_known() -> None:
    """Programs read their ``.env`` files long after the start; what was a secret stays one."""
    live: dict[str, str] = {}
    now = [0.0]
    secrets = EnvironmentSecrets({"A_KEY": "the-first-one"}, live=live, clock_s=lambda: now[0])
    assert secrets.all() == ["the-first-one"]
    assert secrets.changed() is None
    live["B_KEY"] = "the-second"
    assert secrets.changed() == ["the-first-one", "the-second"]
    live["B_KEY"] = "the-third-one-of-all"
    assert secrets.changed() is None
    now[0] = 1.5
    assert secrets.changed() == ["the-third-one-of-all", "the-first-one", "the-second"]
    assert secrets.changed() is None


def test_values_that_a_program_makes_up_take_bounded_memory() -> None:
    live: dict[str, str] = {}
    now = [0.0]
    secrets = EnvironmentSecrets({}, live=live, clock_s=lambda: now[0])
    for number in range(3000):
        live["A_KEY"] = f"value-number-{number}"
        now[0] += 2.0
        secrets.changed()
    assert f"value-number-{2999}" in secrets.all()
    assert len(secrets.all()) <= 1000


def test_a_secret_that_the_program_sets_is_cut_out_of_the_next_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redact = Redaction(RedactionSettings(), dict(os.environ))
    assert redact("value-of-today") == "value-of-today"
    monkeypatch.setenv("THE_NEW_SECRET", "value-of-today")
    assert redact("value-of-today") == REDACTED
    assert redact.find("a value-of-today")[0].start == 2
    assert redact.named("api_key") == "api-key"


def test_a_text_that_cannot_be_searched_does_not_leave(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours costs a text, not the export, and not the secret."""
    from spanledger.processors.redact.engine import Engine

    def fail(engine: Engine, text: str) -> list[object]:
        raise RecursionError(text)

    redact = Redaction(RedactionSettings(), {})
    monkeypatch.setattr(Engine, "find", fail)
    assert redact(LETTERS) == mark("engine-failed")
    assert redact.find(LETTERS)[0].end == len(LETTERS)
    assert redact.failures() == {"engine": 2}
    assert LETTERS not in caplog.text
