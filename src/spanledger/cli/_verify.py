"""Where the records and the ledger differ, and whether that is explained. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from spanledger.analytics import CallRecord, VerifiedHour
from spanledger.guard.stores import Change

#: Roll-ups follow closed hours within this time; spans follow settlements.
GRACE = timedelta(minutes=5)

Kind = Literal[
    "landed_not_typed",
    "typed_not_rolled_up",
    "window_edge",
    "outside_ledger",
    "not_sent",
    "counted_only",
    "lease_charged",
    "sdk_off",
    "unsampled",
    "lost",
    "estimated",
    "amount",
]
#: What a difference of each kind means; those that nothing explains come first.
MEANINGS: dict[Kind, str] = {
    "landed_not_typed": "landed spans without a row in llm_calls, or rows without a span",
    "typed_not_rolled_up": "closed hours whose roll-up says something else than llm_calls",
    "amount": "calls that the ledger charged with another amount than their record says",
    "lost": "settled calls whose record never came",
    "window_edge": "too new, or across the edge of the period: look again later",
    "outside_ledger": "records of calls that no rule of this ledger counted",
    "not_sent": "settled with nothing charged: never sent, so there is no record",
    "counted_only": "settled without cost or tokens: tools, whose spans have no id, and refusals",
    "lease_charged": "charged because their process never settled them; it left no record",
    "sdk_off": "settled calls without a record, OTEL_SDK_DISABLED being set",
    "unsampled": "settled calls without a record, a sampler of the host's being set",
    "estimated": "calls charged by an estimate",
}
UNEXPLAINED: frozenset[Kind] = frozenset(
    {"landed_not_typed", "typed_not_rolled_up", "amount", "lost"}
)


@dataclass(frozen=True, slots=True)
class Findings:
    """How many differences there are of each kind, with a few examples."""

    counts: Counter[Kind] = field(default_factory=Counter)
    examples: dict[Kind, list[str]] = field(default_factory=dict)

    def add(self, kind: Kind, what: str, number: int = 1) -> None:
        self.counts[kind] += number
        kept = self.examples.setdefault(kind, [])
        if len(kept) < 3:
            kept.append(what)

    @property
    def unexplained(self) -> int:
        return sum(number for kind, number in self.counts.items() if kind in UNEXPLAINED)


def compare_hours(hours: Iterable[VerifiedHour], now: datetime, findings: Findings) -> None:
    """Hold landed, typed and rolled-up counts of every hour against one another."""
    for row in hours:
        name = row.hour.strftime("%Y-%m-%d %H:00")
        if row.landed != row.typed:
            what = f"{name}: {row.landed} landed, {row.typed} typed"
            findings.add("landed_not_typed", what, abs(row.landed - row.typed))
        same_cost = (row.typed_cost_usd or 0) == (row.rolled_up_cost_usd or 0)
        if row.typed != row.rolled_up or not same_cost:
            closed = row.hour + timedelta(hours=1) + GRACE <= now
            kind: Kind = "typed_not_rolled_up" if closed else "window_edge"
            what = f"{name}: {row.typed} typed, {row.rolled_up} rolled up"
            findings.add(kind, what, max(1, abs(row.typed - row.rolled_up)))


@dataclass(frozen=True, slots=True)
class Period:
    """What is compared, and what is known about who did not send."""

    since: datetime
    until: datetime
    now: datetime
    sdk_off: bool = False
    sampler: bool = False

    def at_edge(self, at_s: float) -> bool:
        """Whether a settlement is too near to an edge for its span to be expected inside."""
        early = self.since + GRACE
        late = min(self.until, self.now) - GRACE
        return not early.timestamp() <= at_s <= late.timestamp()


def compare_ledger(
    changes: Sequence[Change], records: Sequence[CallRecord], period: Period, findings: Findings
) -> None:
    """Hold the ledger's settlements against the call records, one by one."""
    by_id = {record.reservation_id: record for record in records}
    settled = _by_reservation(changes)
    for name, group in settled.items():
        record = by_id.get(name)
        if group[-1].at < period.since.timestamp():
            continue  # asked for only so that its record is known
        if record is None:
            findings.add(_missing(group, period), name)
        elif (kind := _amount(group, record)) is not None:
            findings.add(kind, name)
    for name in by_id.keys() - settled.keys():
        findings.add("outside_ledger", name)


def _by_reservation(changes: Iterable[Change]) -> Mapping[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for change in changes:
        if change.kind != "reset":
            found.setdefault(change.reservation_id, []).append(change)
    return found


def _missing(group: Sequence[Change], period: Period) -> Kind:
    """Why a settled call may have no record."""
    if group[-1].kind == "expired":
        return "lease_charged"
    if not any(change.charged for change in group):
        return "not_sent"
    if not any(change.charged for change in group if change.metric in {"cost", "tokens"}):
        return "counted_only"
    if period.at_edge(group[-1].at):
        return "window_edge"
    if period.sdk_off:
        return "sdk_off"
    return "unsampled" if period.sampler else "lost"


def _amount(group: Sequence[Change], record: CallRecord) -> Kind | None:
    """Whether the charge differs from the record; every counter was charged the same."""
    charged: Counter[object] = Counter()
    for change in group:
        if change.metric == "cost":
            charged[change.key] += change.charged
    if not charged or record.cost_nano_usd is None or record.provenance == "unpriced":
        return None
    if set(charged.values()) == {record.cost_nano_usd}:
        return None
    guessed = record.provenance == "estimated" or any(change.estimated for change in group)
    return "estimated" if guessed else "amount"
