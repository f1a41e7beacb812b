"""From file, environment and code to one `Settings`, with errors that name the place."""

import os
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from spanledger.config.errors import ConfigError
from spanledger.config.settings import (
    POLICY_FILE_ENV,
    POLICY_FILE_NAME,
    SECTIONS,
    Settings,
)
from spanledger.lean import dataclass

#: Tables of the file that hold rules; the guard reads them.
RULE_TABLES = ("budgets", "rate_limits", "breakers", "loops", "ceilings", "drifts")

_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed configuration file, with its text, so that errors can name the line."""

    source: str = ""
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def line_of(self, table: str, key: str = "", index: int = 0) -> int | None:
        """Line of `key` in the `index`-th table called `table`; of its header if there is none.

        A table without a header of its own (``table.key = 1``, ``table = {key = 1}``) is found by
        its first line.
        """
        header = re.compile(rf"^\s*\[\[?\s*{re.escape(table)}\s*\]\]?")
        any_header = re.compile(r"^\s*\[")
        entry = re.compile(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*=") if key else None
        seen, start = -1, None
        for number, line in enumerate(self.text.splitlines(), 1):
            if header.match(line):
                seen += 1
                start = number if seen == index else start
            elif start is not None and seen == index:
                if any_header.match(line):
                    break
                if entry and entry.match(line):
                    return number
        return start if start is not None or index else self._line_without_header(table)

    def _line_without_header(self, table: str) -> int | None:
        written = re.compile(rf"^\s*[\"']?{re.escape(table)}[\"']?\s*[.=]")
        lines = enumerate(self.text.splitlines(), 1)
        return next((number for number, line in lines if written.match(line)), None)


def find_file(environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The configuration file: the one that `SPANLEDGER_POLICY` names, else `./spanledger.toml`."""
    if named := environ.get(POLICY_FILE_ENV, "").strip():
        return Path(named).expanduser()
    here = cwd / POLICY_FILE_NAME
    return here if here.is_file() else None


def read_document(path: Path | None) -> Document:
    """Read and parse the file. Raises `ConfigError` if it is named but can't be read or parsed."""
    if path is None:
        return Document()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the file can't be read: {error}", key=POLICY_FILE_ENV, source=str(path)
        ) from error
    import tomllib

    try:
        data = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"not valid TOML: {error}", key="(syntax)", source=str(path)) from error
    document = Document(source=str(path), text=text, data=data)
    _check_tables(document)
    return document


def load_settings(
    document: Document | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """One `Settings` from code (`overrides`, by ``section.name``), environment, file, defaults.

    Raises `ConfigError` for an unknown key or a value that can't be used.
    """
    document = document or Document()
    environ = os.environ if environ is None else environ
    overrides = dict(overrides or {})
    sections = {
        name: _load_section(name, cls, document, environ, overrides)
        for name, cls in SECTIONS.items()
    }
    if overrides:
        key = next(iter(overrides))
        raise ConfigError("no such setting", key=key, source="code", allowed=_known_keys())
    return Settings(**sections)


def _load_section(
    section: str,
    cls: type[Any],
    document: Document,
    environ: Mapping[str, str],
    overrides: dict[str, Any],
) -> Any:
    table = document.data.get(section, {})
    if not isinstance(table, dict):
        raise ConfigError(
            "must be a table",
            key=section,
            found=table,
            source=document.source,
            line=document.line_of(section),
        )
    _check_keys(section, cls, table, document)
    hints = get_type_hints(cls)
    values = {}
    for name, spec in cls.__dataclass_fields__.items():
        key, env = f"{section}.{name}", spec.metadata["env"]
        if key in overrides:
            values[name] = convert(overrides.pop(key), hints[name], key=key, source="code")
        elif environ.get(env, "").strip():
            values[name] = convert(environ[env].strip(), hints[name], key=env, source="environment")
        elif name in table:
            values[name] = convert(
                table[name],
                hints[name],
                key=key,
                source=document.source,
                line=document.line_of(section, name),
            )
    return cls(**values)


def _check_tables(document: Document) -> None:
    known = (*SECTIONS, *RULE_TABLES)
    for name in document.data:
        if name not in known:
            raise ConfigError(
                "no such table",
                key=name,
                source=document.source,
                line=document.line_of(name),
                allowed=", ".join(known),
            )


def _check_keys(section: str, cls: type[Any], table: Mapping[str, Any], document: Document) -> None:
    for name in table:
        if name not in cls.__dataclass_fields__:
            raise ConfigError(
                "no such setting",
                key=f"{section}.{name}",
                found=table[name],
                source=document.source,
                line=document.line_of(section, name),
                allowed=", ".join(cls.__dataclass_fields__),
            )


def _known_keys() -> str:
    return ", ".join(f"{s}.{n}" for s, cls in SECTIONS.items() for n in cls.__dataclass_fields__)


def convert(value: Any, hint: Any, *, key: str, source: str, line: int | None = None) -> Any:
    """`value` as the type that `hint` asks for. Text is parsed; anything else must fit."""

    def fail(allowed: str) -> ConfigError:
        return ConfigError(
            "the value can't be used",
            key=key,
            found=value,
            allowed=allowed,
            source=source,
            line=line,
        )

    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise fail(", ".join(map(str, get_args(hint))))
        return value
    args = [a for a in get_args(hint) if a not in (NoneType, Ellipsis)]
    base = args[0] if args and get_origin(hint) is not tuple else hint
    if get_origin(hint) is tuple:
        return _convert_list(value, fail)
    return _convert_plain(value, base, fail)


def _convert_list(value: Any, fail: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise fail("a list of texts")


def _convert_plain(value: Any, base: Any, fail: Any) -> Any:
    if base is bool:
        return _convert_bool(value, fail)
    if base is Path:
        if isinstance(value, (str, Path)):
            return Path(value).expanduser()
        raise fail("a path")
    if base is str:
        # Amounts of money are texts inside: TOML's 0.1 and "0.1" mean the same to their reader.
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
        raise fail("a text")
    return _convert_number(value, base, fail)


def _convert_bool(value: Any, fail: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in _TRUE | _FALSE:
        return text in _TRUE
    raise fail("true, false")


def _convert_number(value: Any, base: Any, fail: Any) -> Any:
    allowed = "a whole number of at least 0" if base is int else "a number of at least 0"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise fail(allowed)
    try:
        number = base(value)
        fits = 0 <= number < float("inf") and (base is not int or float(value) == number)
    except (ValueError, OverflowError):
        raise fail(allowed) from None
    if not fits:
        raise fail(allowed)
    return number
