"""What a dashboard is made of. Pure data; `_json` writes it as Grafana reads it."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SERIES, TABLE, LOGS, TRACE = 0, 1, 2, 3
"""Formats in which the ClickHouse data source answers."""

PREFIX = "spanledger-"


def panel_id(title: str) -> int:
    """A panel's id: it follows from its title, so links survive panels that come and go."""
    return zlib.crc32(title.encode()) % 1_000_000 + 1


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click on a value leads: a path on this Grafana, with Grafana's own ``${…}``."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Override:
    """What is different for the column `name`: Grafana's property ids and their values."""

    name: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """One question to ClickHouse, with the plugin's macros in it."""

    sql: str
    format: int = TABLE
    ref: str = "A"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. What is not said here is Grafana's default."""

    title: str
    kind: str
    queries: tuple[Query, ...]
    description: str
    no_value: str
    width: int
    height: int
    unit: str
    options: Mapping[str, Any]
    custom: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    links: tuple[Link, ...] = ()
    max_data_points: int | None = None

    @property
    def id(self) -> int:
        return panel_id(self.title)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading, from left to right; a folded one asks nothing until it is opened."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable whose values a query finds: several may be chosen, or all."""

    name: str
    label: str
    sql: str


@dataclass(frozen=True, slots=True)
class Text:
    """A variable that is typed in, or comes with a link."""

    name: str
    label: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks on the time axis."""

    name: str
    sql: str
    colour: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard; its file is named after its `uid`."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Choice | Text, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    start: str = "now-24h"
    refresh: str = "1m"

    @property
    def uid(self) -> str:
        return PREFIX + self.name

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)
