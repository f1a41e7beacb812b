"""Code beats the environment, the environment beats the file, the file beats the default."""

import json
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import pytest

from spanledger.config import Document, Settings, load_settings, read_document
from spanledger.config.settings import SECTIONS


class Setting(NamedTuple):
    """One row of the table, with two values that it may have; the first is not the default."""

    section: str
    name: str
    env: str
    default: Any
    values: tuple[Any, Any]

    def of(self, settings: Settings) -> Any:
        return getattr(getattr(settings, self.section), self.name)

    def document(self, value: Any) -> Document:
        shown = json.dumps(value)
        text = f"[{self.section}]\n{self.name} = {shown}\n"
        return Document("spanledger.toml", text, {self.section: {self.name: value}})


def _two_values(hint: Any, default: Any) -> tuple[Any, Any]:
    if get_origin(hint) is Literal:
        first = next(value for value in get_args(hint) if value != default)
        return first, default
    if get_origin(hint) is tuple:
        return ["a.*", "b"], ["c"]
    kind = next((a for a in get_args(hint) if a is not NoneType), hint)
    if kind is bool:
        return not default, default
    return {int: (17, 18), float: (1.5, 2.5), str: ("7", "8"), Path: ("/one", "/two")}[kind]


SETTINGS = [
    Setting(
        section, name, spec.metadata["env"], spec.default, _two_values(hints[name], spec.default)
    )
    for section, cls in SECTIONS.items()
    for hints in [get_type_hints(cls)]
    for name, spec in cls.__dataclass_fields__.items()
]
EACH = pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: f"{s.section}.{s.name}")


def _inside(value: Any, like: Any) -> Any:
    """A value as it stands in `Settings`."""
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if isinstance(like, Path) else value


def _as_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


@EACH
def test_without_anything_the_default_holds(setting: Setting) -> None:
    """And a blank environment variable is none."""
    assert setting.of(load_settings(environ={})) == setting.default
    assert setting.of(load_settings(environ={setting.env: "  "})) == setting.default


@EACH
def test_the_file_beats_the_default(setting: Setting) -> None:
    """Each setting, with a value that is not its default."""
    found = setting.of(load_settings(setting.document(setting.values[0]), environ={}))
    assert found == _inside(setting.values[0], found)
    assert found != setting.default


@EACH
def test_the_environment_beats_the_file(setting: Setting) -> None:
    """Each setting."""
    in_file, in_environment = setting.values
    environ = {setting.env: _as_text(in_environment)}
    found = setting.of(load_settings(setting.document(in_file), environ=environ))
    assert found == _inside(in_environment, found)


@EACH
def test_code_beats_the_environment_and_the_file(setting: Setting) -> None:
    """Each setting."""
    in_code, elsewhere = setting.values
    found = setting.of(
        load_settings(
            setting.document(elsewhere),
            environ={setting.env: _as_text(elsewhere)},
            overrides={f"{setting.section}.{setting.name}": in_code},
        )
    )
    assert found == _inside(in_code, found)


def test_no_two_settings_share_an_environment_variable() -> None:
    """Else one would silently set the other."""
    names = [setting.env for setting in SETTINGS]
    assert len(names) == len(set(names))
    assert all(name.startswith("SPANLEDGER_") for name in names)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """Tables, numbers, texts and lists together, as a user writes them."""
    file = tmp_path / "spanledger.toml"
    file.write_text(
        '[guard]\nmax_wait_s = 3\n[budget]\nusd = 0.1\n[export]\nallow = ["my.*"]\n'
        '[[budgets]]\nname = "a"\n'
    )
    settings = load_settings(read_document(file), environ={})
    assert settings.guard.max_wait_s == 3.0
    assert settings.budget.usd == "0.1"
    assert settings.export.allow == ("my.*",)
