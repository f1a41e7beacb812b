"""What is wrong with a configuration is said so that it can be mended."""

from pathlib import Path
from typing import Any

import pytest

from spanledger.config import ConfigError, Document, load_settings, read_document


def _load(tmp_path: Path, text: str) -> ConfigError:
    """The error of a file that holds `text`."""
    file = tmp_path / "spanledger.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(read_document(file), environ={})
    assert str(file) in str(caught.value)
    return caught.value


# What the file holds, the line of the error, its key, what was found, a part of what is allowed.
BAD_FILES: dict[str, tuple[str, int | None, str, Any, str]] = {
    "table": ("\n[gaurd]\n", 2, "gaurd", None, "guard, budget, gate"),
    "top-level key": ("enabled = true\n", 1, "enabled", None, "guard, budget, gate"),
    "key": ("[guard]\nenabeld = true\n", 2, "guard.enabeld", True, "enabled, on_invalid_policy"),
    "not a table": ("guard = 5\n", 1, "guard", 5, ""),
    "not a table but a list": ("[[guard]]\nenabled = true\n", 1, "guard", [{"enabled": True}], ""),
    "bool": ('[guard]\nenabled = "maybe"\n', 2, "guard.enabled", "maybe", "true, false"),
    "choice": ('[export]\ncontent = "all"\n', 2, "export.content", "all", "off, actions, full"),
    "choice of another type": ("[export]\nmode = [1]\n", 2, "export.mode", [1], "on, alongside"),
    "number as text": ('[guard]\nlease_s = "10usd"\n', 2, "guard.lease_s", "10usd", "at least 0"),
    "number that is a bool": ("[guard]\nlease_s = true\n", 2, "guard.lease_s", True, "at least 0"),
    "negative": ("[guard]\n\nmax_wait_s = -1\n", 3, "guard.max_wait_s", -1, "at least 0"),
    "infinite": ("[guard]\nmax_wait_s = inf\n", 2, "guard.max_wait_s", float("inf"), "at least 0"),
    "not whole": ("[budget]\ncalls = 1.5\n", 2, "budget.calls", 1.5, "whole number"),
    "whole but infinite": ("[budget]\ncalls = inf\n", 2, "budget.calls", float("inf"), "whole"),
    "whole but huge": (f"[budget]\ncalls = {10**400}\n", 2, "budget.calls", 10**400, "whole"),
    "text": ("[export]\nendpoint = [1]\n", 2, "export.endpoint", [1], "a text"),
    "text that is a bool": ("[export]\nendpoint = true\n", 2, "export.endpoint", True, "a text"),
    "path": ("[pricing]\noverrides = 5\n", 2, "pricing.overrides", 5, "a path"),
    "list": ("[export]\nallow = [1]\n", 2, "export.allow", [1], "a list of texts"),
    "inline table": ("guard = {lease_s = -2}\n", 1, "guard.lease_s", -2, "at least 0"),
    "dotted key": ("\nguard.lease_s = -2\n", 2, "guard.lease_s", -2, "at least 0"),
    "quoted key": ('[guard]\n"lease_s" = -2\n', 2, "guard.lease_s", -2, "at least 0"),
}


@pytest.mark.parametrize("case", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_an_error_names_file_line_key_what_was_found_and_what_is_allowed(
    case: tuple[str, int | None, str, Any, str], tmp_path: Path
) -> None:
    """Each kind of mistake in a file."""
    text, line, key, found, allowed = case
    error = _load(tmp_path, text)
    assert (error.line, error.key, error.found) == (line, key, found)
    assert allowed in error.allowed
    assert f", line {line}: {key}: " in str(error)
    if found is not None:
        assert repr(found) in str(error)


def test_not_a_number_is_not_a_number(tmp_path: Path) -> None:
    """NaN compares false with everything, so it would pass a careless check."""
    error = _load(tmp_path, "[guard]\nmax_wait_s = nan\n")
    assert (error.line, error.key) == (2, "guard.max_wait_s")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("SPANLEDGER_MAX_WAIT_S", "nan", "a number of at least 0"),
        ("SPANLEDGER_MAX_WAIT_S", "inf", "a number of at least 0"),
        ("SPANLEDGER_LEASE_S", "-1", "a number of at least 0"),
        ("SPANLEDGER_LEASE_S", "10usd", "a number of at least 0"),
        ("SPANLEDGER_BUDGET_TOKENS", "1e3", "a whole number of at least 0"),
        ("SPANLEDGER_ENABLED", "ja", "true, false"),
        ("SPANLEDGER_ON_INVALID_POLICY", "ignore", "refuse, warn"),
    ],
)
def test_a_bad_environment_variable_is_named(name: str, value: str, allowed: str) -> None:
    """By its own name, not by the setting's."""
    with pytest.raises(ConfigError) as caught:
        load_settings(environ={name: value})
    assert str(caught.value) == (
        f"environment: {name}: the value can't be used (found {value!r}); allowed: {allowed}."
    )


def test_a_setting_of_code_that_does_not_exist_is_named() -> None:
    """With the settings that do."""
    with pytest.raises(ConfigError, match=r"code: guard\.speed: no such setting") as caught:
        load_settings(environ={}, overrides={"guard.speed": 1})
    assert "guard.enabled" in caught.value.allowed


def test_broken_toml_is_refused_with_the_line(tmp_path: Path) -> None:
    """The parser knows it."""
    error = _load(tmp_path, "[guard]\nenabled = tru\n")
    assert "not valid TOML" in str(error)
    assert "line 2" in str(error)


@pytest.mark.parametrize("kind", ["missing", "folder", "not text"])
def test_a_file_that_cannot_be_read_is_named(kind: str, tmp_path: Path) -> None:
    """A file that somebody named must be there: without it no limit would hold."""
    file = tmp_path / "limits.toml"
    if kind == "folder":
        file.mkdir()
    elif kind == "not text":
        file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="the file can't be read") as caught:
        read_document(file)
    assert str(file) in str(caught.value)
    assert caught.value.key == "SPANLEDGER_POLICY"


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    """Some editors write one."""
    file = tmp_path / "spanledger.toml"
    file.write_bytes(b"\xef\xbb\xbf[guard]\nmax_wait_s = 2\n")
    assert load_settings(read_document(file), environ={}).guard.max_wait_s == 2.0


def test_the_line_is_that_of_the_right_one_of_several_tables() -> None:
    """The second budget's limit, not the first one's."""
    text = '[[budgets]]\nname = "a"\nlimit = 1\n\n[[budgets]]\nname = "b"\nlimit = 2\n'
    document = Document("f", text)
    assert document.line_of("budgets", "limit", 1) == 7
    assert document.line_of("budgets", "scope", 1) == 5
    assert document.line_of("budgets", "limit", 2) is None


def test_an_error_shows_no_password_of_an_address() -> None:
    """It is logged, and stands in the refusals of a policy that can't be read."""
    error = ConfigError("wrong", key="guard.store", found="redis://user:pass-word@host:1/0")
    assert str(error) == "guard.store: wrong (found 'redis://***@host:1/0')."
    assert "pass-word" not in repr(error)
