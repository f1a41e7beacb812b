"""Grafana's evaluation of provisioned rules, as far as ours go: query, reduce, threshold, `for`.

The query runs on ClickHouse; the rest is what Grafana's documentation says of it. It takes the
provisioning file itself, so what is tested is what is shipped.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from spanledger.warehouse import WarehouseError

Rule = Mapping[str, Any]
Labels = tuple[tuple[str, str], ...]
Query = Callable[[str], Sequence[Mapping[str, Any]]]

#: The labels of the state in which a query gave nothing, or failed.
NO_DATA: Labels = (("no data", ""),)
FAILED: Labels = (("error", ""),)


class NotANumberTable(ValueError):
    """Grafana would refuse the answer: it wants texts and one number a row."""


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A rule, and how often it is evaluated."""

    rule: Rule
    interval_s: int

    @property
    def name(self) -> str:
        return str(self.rule["uid"]).removeprefix("spanledger-")

    @property
    def for_s(self) -> int:
        return seconds(self.rule["for"])

    def part(self, ref: str) -> Mapping[str, Any]:
        """The model of the query or expression with this letter."""
        (found,) = (each["model"] for each in self.rule["data"] if each["refId"] == ref)
        return dict(found)

    @property
    def lookback_s(self) -> int:
        return int(self.rule["data"][0]["relativeTimeRange"]["from"])

    def sql(self, now: datetime) -> str:
        """The query as it is sent at a time."""
        end = int(now.timestamp())
        return expanded(self.part("A")["rawSql"], end - self.lookback_s, end)


def expanded(sql: str, start_s: int, end_s: int) -> str:
    """The three macros that rules use, as the plugin's back end writes them.

    What only the front end replaces (variables) would reach ClickHouse as it is.
    """
    start, end = f"toDateTime({start_s})", f"toDateTime({end_s})"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= {start} AND \1 <= {end}", sql)
    sql = sql.replace("$__fromTime", start).replace("$__toTime", end)
    assert "$" not in sql.replace("concat('$'", ""), f"left as it is: {sql}"
    return sql


def seconds(text: str) -> int:
    """``90s``, ``5m``, ``1h`` in seconds."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    assert found, f"{text!r} is no duration"
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def provisioned(file: Path) -> list[Provisioned]:
    """All rules of a provisioning file."""
    groups = yaml.safe_load(file.read_text())["groups"]
    return [
        Provisioned(rule, seconds(group["interval"])) for group in groups for rule in group["rules"]
    ]


def number_table(rows: Iterable[Mapping[str, Any]]) -> dict[Labels, float]:
    """What Grafana makes of an answer: a number for each set of labels."""
    found: dict[Labels, float] = {}
    for row in rows:
        numbers = [value for value in row.values() if not isinstance(value, str)]
        if len(numbers) != 1 or type(numbers[0]) not in {int, float}:
            raise NotANumberTable(f"not texts and one number: {dict(row)}")
        labels = tuple(sorted((name, v) for name, v in row.items() if isinstance(v, str)))
        if labels in found:
            raise NotANumberTable(f"two rows with the labels {labels}")
        found[labels] = float(numbers[0])
    return found


def beyond(rule: Provisioned, numbers: Mapping[Labels, float]) -> dict[Labels, bool]:
    """The condition's answer: reduce to the last number (there is one), compare with the bound."""
    assert rule.rule["condition"] == "C"
    assert (rule.part("C")["expression"], rule.part("B")["expression"]) == ("B", "A")
    (condition,) = rule.part("C")["conditions"]
    (bound,), kind = condition["evaluator"]["params"], condition["evaluator"]["type"]
    compare: dict[str, Callable[[float], bool]] = {
        "gt": lambda number: number > bound,
        "lt": lambda number: number < bound,
    }
    return {labels: compare[kind](number) for labels, number in numbers.items()}


@dataclass(slots=True)
class Alerts:
    """The states of one rule's alerts over its evaluations."""

    rule: Provisioned
    query: Query
    since: dict[Labels, datetime] = field(default_factory=dict)
    """From when on each alert's condition has held without a break."""
    fired: dict[Labels, datetime] = field(default_factory=dict)
    """When each alert fired first."""
    sentences: dict[Labels, str] = field(default_factory=dict)
    """What each alert said when it fired first."""
    firing: set[Labels] = field(default_factory=set)

    def evaluate(self, now: datetime) -> None:
        """One evaluation."""
        try:
            numbers = number_table(self.query(self.rule.sql(now)))
        except WarehouseError:
            self._without_numbers(str(self.rule.rule["execErrState"]), FAILED, now)
            return
        if not numbers:
            self._without_numbers(str(self.rule.rule["noDataState"]), NO_DATA, now)
            return
        self._held({k: numbers[k] for k, fires in beyond(self.rule, numbers).items() if fires}, now)

    def _without_numbers(self, state: str, labels: Labels, now: datetime) -> None:
        if state == "KeepLast":
            return
        self._held({labels: 0.0} if state == "Alerting" else {}, now)

    def _held(self, numbers: Mapping[Labels, float], now: datetime) -> None:
        self.since = {labels: self.since.get(labels, now) for labels in numbers}
        wait = timedelta(seconds=self.rule.for_s)
        self.firing = {labels for labels, begin in self.since.items() if now - begin >= wait}
        for labels in self.firing - self.fired.keys():
            self.fired[labels] = now
            self.sentences[labels] = sentence(
                self.rule.rule["annotations"]["summary"], dict(labels), numbers[labels]
            )


def run(
    rules: Iterable[Provisioned], query: Query, start: datetime, end: datetime
) -> dict[str, Alerts]:
    """Evaluate rules from `start` to `end`, each as often as its group says; by name."""
    alerts = {rule.name: Alerts(rule, query) for rule in rules}
    for one in alerts.values():
        now = start
        while now <= end:
            one.evaluate(now)
            now += timedelta(seconds=one.rule.interval_s)
    return alerts


# --- sentences ------------------------------------------------------------------------------

_TEMPLATE = re.compile(r"\{\{ (.*?) \}\}")


def sentence(template: str, labels: Mapping[str, str], number: float) -> str:
    """A summary as Grafana fills it in; only what ours use is known."""
    return _TEMPLATE.sub(lambda found: _filled(found[1], labels, number), template)


def _filled(text: str, labels: Mapping[str, str], number: float) -> str:
    if label := re.fullmatch(r"\$labels\.(\w+)", text):
        # A label that is not there is written like this by Grafana, too.
        return labels.get(label[1], "[no value]")
    if shown := re.fullmatch(r'printf "(%\.\d?f)" \$values\.B\.Value', text):
        return shown[1] % number
    if text == "humanizePercentage $values.B.Value":
        return f"{number * 100:.4g}%"
    if text == "humanizeDuration $values.B.Value":
        return _duration(int(number))
    raise AssertionError(f"{text!r} is nothing that Grafana fills in")


def _duration(s: int) -> str:
    units = ((s // 86400, "d"), (s // 3600 % 24, "h"), (s // 60 % 60, "m"), (s % 60, "s"))
    shown = [f"{n}{unit}" for n, unit in units if n] or ["0s"]
    return " ".join(shown)
