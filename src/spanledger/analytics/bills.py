"""What providers say they bill: their usage and cost exports, JSON or CSV. Pure.

OpenAI: the answers of ``/v1/organization/usage/…`` and ``/v1/organization/costs``, and the CSV
files of the usage page. Anthropic: the answers of ``/v1/organizations/usage_report/messages`` and
``/v1/organizations/cost_report``, and the CSV files of the Console.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

Record = Mapping[str, Any]
Provider = Literal["openai", "anthropic"]


class UnreadableBill(ValueError):
    """It is not an export that is known, or a value in it can't be read."""


@dataclass(frozen=True, slots=True)
class BilledLine:
    """One line of an export: usage, or cost, or both, of a day (UTC) and model."""

    day: date
    provider: Provider
    model: str
    """Empty: the export does not break it down by model."""
    service_tier: str = ""
    calls: int | None = None
    input_tokens: int | None = None
    """Cached tokens included. None: this line tells no usage."""
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost_usd: Decimal | None = None
    """None: this line tells no cost."""


def read_bill(text: str) -> list[BilledLine]:
    """The lines of an export.

    Raises:
        UnreadableBill: it is none that is known, or a value in it can't be read.
    """
    records = list(_records(text.lstrip("\ufeff")))
    if not records:
        raise UnreadableBill("the export holds no line; choose a period that has usage")
    return [_line(record, number) for number, record in enumerate(records, 1)]


def _records(text: str) -> Iterator[Record]:
    """Each result of each bucket, flat, with the bucket's time; or each line of a CSV file."""
    if not text.lstrip().startswith(("{", "[")):
        try:
            yield from csv.DictReader(io.StringIO(text))
        except csv.Error as error:
            raise UnreadableBill(f"the export is no CSV: {error}") from None
        return
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableBill(f"the export is no JSON: {error}") from None
    for page in document if isinstance(document, list) else [document]:
        yield from _buckets(page)


def _buckets(page: object) -> Iterator[Record]:
    """Of a page of an answer; a bucket alone is one, too."""
    if not isinstance(page, dict):
        raise UnreadableBill("the export is no answer of a usage or cost API: no object at its top")
    for bucket in page.get("data", [page]):
        if not isinstance(bucket, dict) or not isinstance(bucket.get("results"), list):
            raise UnreadableBill("the export is no answer of a usage or cost API: no `results`")
        times = {name: bucket[name] for name in _TIMES if name in bucket}
        yield from (_flat({**times, **result}) for result in bucket["results"])


def _flat(record: Record) -> Record:
    """``{"amount": {"value": 1}}`` as ``{"amount_value": 1}``."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found.update({f"{name}_{inner}": item for inner, item in value.items()})
        else:
            found[name] = value
    return found


#: In which an export tells the day; the first that is there.
_TIMES = ("start_time_iso", "starting_at", "usage_date_utc", "start_time", "date")
#: Names of columns in Anthropic's exports, as its API and as its Console write them.
_UNCACHED = ("uncached_input_tokens", "usage_input_tokens_no_cache")
_WRITTEN = (
    "cache_creation_ephemeral_1h_input_tokens",
    "cache_creation_ephemeral_5m_input_tokens",
    "usage_input_tokens_cache_write_1h",
    "usage_input_tokens_cache_write_5m",
)
_READ = ("cache_read_input_tokens", "usage_input_tokens_cache_read")
_OUT = ("output_tokens", "usage_output_tokens")


def _line(record: Record, number: int) -> BilledLine:
    try:
        return _read_line(record)
    except (KeyError, ValueError, TypeError, InvalidOperation, OverflowError) as error:
        reason = error if isinstance(error, UnreadableBill) else f"{type(error).__name__}: {error}"
        raise UnreadableBill(f"line {number} of the export can't be read: {reason}") from None


def _read_line(record: Record) -> BilledLine:
    if _has(record, _UNCACHED):
        return _anthropic_usage(record)
    if _has(record, ("input_cached_tokens", "num_model_requests", "input_tokens")):
        return _openai_usage(record)
    if _has(record, ("amount_value",)):
        return _openai_cost(record)
    if _has(record, ("cost_usd", "amount")):
        return _anthropic_cost(record)
    names = ", ".join(sorted(map(str, record))[:8])
    raise UnreadableBill(
        f"its columns ({names}) are those of no usage or cost export of OpenAI or Anthropic"
    )


def _has(record: Record, names: Iterable[str]) -> bool:
    return any(record.get(name) is not None for name in names)


def _openai_usage(record: Record) -> BilledLine:
    return BilledLine(
        day=_day(record),
        provider="openai",
        model=str(record.get("model") or ""),
        service_tier=_openai_tier(record),
        calls=_whole(record, ("num_model_requests",)),
        input_tokens=_whole(record, ("input_tokens",)),
        output_tokens=_whole(record, ("output_tokens",)),
        cache_read_tokens=_whole(record, ("input_cached_tokens",)),
        cache_write_tokens=0,
    )


def _openai_tier(record: Record) -> str:
    if str(record.get("batch")).lower() == "true":
        return "batch"
    return str(record.get("service_tier") or "")


def _openai_cost(record: Record) -> BilledLine:
    """Line items are named like ``gpt-4o-2024-08-06, cached input``."""
    currency = str(record.get("amount_currency") or "usd").lower()
    if currency != "usd":
        raise UnreadableBill(f"its amounts are in {currency}, ours in US dollars")
    return BilledLine(
        day=_day(record),
        provider="openai",
        model=str(record.get("line_item") or "").partition(",")[0].strip(),
        cost_usd=Decimal(str(record["amount_value"])),
    )


def _anthropic_usage(record: Record) -> BilledLine:
    read, written = _whole(record, _READ), _whole(record, _WRITTEN)
    return BilledLine(
        day=_day(record),
        provider="anthropic",
        model=str(record.get("model") or record.get("model_version") or ""),
        service_tier=_anthropic_tier(record),
        input_tokens=_whole(record, _UNCACHED) + read + written,
        output_tokens=_whole(record, _OUT),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


def _anthropic_cost(record: Record) -> BilledLine:
    """The API's amounts are cents, the Console's dollars."""
    told = record.get("cost_usd")
    cost = Decimal(str(told)) if told is not None else Decimal(str(record["amount"])) / 100
    return BilledLine(
        day=_day(record),
        provider="anthropic",
        model=str(record.get("model") or record.get("model_version") or ""),
        service_tier=_anthropic_tier(record),
        cost_usd=cost,
    )


def _anthropic_tier(record: Record) -> str:
    tier = str(record.get("service_tier") or record.get("usage_type") or "").lower()
    return tier if tier in ("batch", "priority") else ""


def _whole(record: Record, names: Sequence[str]) -> int:
    """The sum of those that are there; an empty cell is 0."""
    return sum(int(record.get(name) or 0) for name in names)


def _day(record: Record) -> date:
    for name in _TIMES:
        told = record.get(name)
        if told not in (None, ""):
            return _moment(told).astimezone(UTC).date()
    raise UnreadableBill(f"it has no time; one of {', '.join(_TIMES)} is needed")


def _moment(told: object) -> datetime:
    """Seconds since the epoch, or a date in ISO form; without a zone: UTC."""
    text = str(told)
    if text.isdigit() and len(text) > len("20260101"):
        return datetime.fromtimestamp(int(text), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
