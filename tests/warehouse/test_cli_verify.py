"""`spanledger verify` and `spanledger reprice`, over real engines and a real ledger."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger import semconv
from spanledger.analytics import CallRecord, VerifiedHour
from spanledger.cli._app import run
from spanledger.cli._verify import Findings, Period, compare_hours, compare_ledger
from spanledger.guard.ledger import Demand, Key
from spanledger.guard.stores import Change, SqliteStore
from spanledger.warehouse import Warehouse
from tests.warehouse._rows import Span, call, insert_spans

pytestmark = pytest.mark.storage

NOW = datetime.now(UTC)
#: Well inside the period and old enough for its span to have come.
AT = NOW - timedelta(minutes=20)
KEY = Key("daily", "", 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPANLEDGER_STORE", f"sqlite:{tmp_path / 'ledger.sqlite'}")
    for name in ("OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER", "SPANLEDGER_PRICES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def url_of(warehouse: Warehouse) -> str:
    at = warehouse.address
    from urllib.parse import quote

    login = f"{quote(at.user, safe='')}:{quote(at.password, safe='')}"
    return f"http://{login}@{at.host}:{at.port}/{at.database}"


def asked(
    warehouse: Warehouse, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, dict[str, Any]]:
    code = run([*words, "--json", "--url", url_of(warehouse)])
    out = capsys.readouterr()
    assert out.out, out.err
    return code, json.loads(out.out)


def settle(folder: Path, numbers: Sequence[int], nano_usd: int = 1_000) -> None:
    """What the gate does with the ledger for these calls, at AT."""
    store = SqliteStore(folder / "ledger.sqlite", clock=AT.timestamp)
    for number in numbers:
        name = f"call-{number}/1"
        store.reserve(name, [Demand(KEY, "cost", 10**12, 5_000)], lease_s=600, max_wait_s=0)
        store.settle(name, lambda _demand: nano_usd, estimated=False)
    store.close()


def recorded(numbers: Sequence[int], nano_usd: int = 1_000) -> list[Span]:
    return [replace(call(number, nano_usd, CALL_ID=f"call-{number}"), at=AT) for number in numbers]


def test_a_clean_run_leaves_nothing_unexplained(
    warehouse: Warehouse, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(folder, range(10))
    insert_spans(warehouse, recorded(range(10)))
    insert_spans(warehouse, recorded(range(4)))
    code, facts = asked(warehouse, capsys, "verify", "--since", "2h")
    assert (code, facts["unexplained"], facts["settled_calls"]) == (0, 0, 10)
    assert sum(hour["landed"] for hour in facts["hours"]) == 10
    assert sum(hour["sent_again"] for hour in facts["hours"]) == 4
    assert sum(hour["typed"] for hour in facts["hours"]) == 10
    assert sum(hour["rolled_up"] for hour in facts["hours"]) == 10
    assert facts["differences"] == []


def test_a_record_that_never_came_and_an_amount_that_differs_are_not_explained(
    warehouse: Warehouse, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(folder, range(3))
    insert_spans(warehouse, [*recorded([0]), *recorded([1], 2_000)])
    code, facts = asked(warehouse, capsys, "verify", "--since", "2h")
    kinds = {row["kind"]: row["calls"] for row in facts["differences"]}
    assert (code, facts["unexplained"], kinds) == (1, 2, {"amount": 1, "lost": 1})


def test_a_row_that_is_missing_in_the_typed_table_is_found(
    warehouse: Warehouse, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    insert_spans(warehouse, recorded(range(5)))
    warehouse.command("TRUNCATE TABLE llm_calls")
    code, facts = asked(warehouse, capsys, "verify", "--since", "2h")
    kinds = {row["kind"]: row["calls"] for row in facts["differences"]}
    assert (code, kinds["landed_not_typed"]) == (1, 5)


def test_without_a_shared_ledger_the_history_is_still_verified(
    warehouse: Warehouse,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPANLEDGER_STORE", "memory")
    insert_spans(warehouse, recorded(range(5)))
    code, facts = asked(warehouse, capsys, "verify", "--since", "2h")
    assert (code, facts["settled_calls"]) == (0, None)
    assert "memory" in facts["ledger_note"]


# --- classification, without an engine ------------------------------------------------------

PERIOD = Period(NOW - timedelta(hours=3), NOW + timedelta(hours=1), NOW)


def change(name: str, kind: Any = "settled", charged: int = 5, ago_s: float = 1200) -> Change:
    return Change(name, NOW.timestamp() - ago_s, kind, KEY, "cost", 9, charged, False)


@pytest.mark.parametrize(
    ("group", "period", "kind"),
    [
        ([change("a")], PERIOD, "lost"),
        ([change("a", ago_s=10)], PERIOD, "window_edge"),
        ([change("a", charged=0)], PERIOD, "not_sent"),
        ([change("a", "expired")], PERIOD, "lease_charged"),
        ([change("a")], replace(PERIOD, sdk_off=True), "sdk_off"),
        ([change("a")], replace(PERIOD, sampler=True), "unsampled"),
        ([change("a")._replace(metric="calls")], PERIOD, "counted_only"),
    ],
)
def test_a_settled_call_without_a_record_has_a_reason(
    group: list[Change], period: Period, kind: str
) -> None:
    findings = Findings()
    compare_ledger(group, [], period, findings)
    assert dict(findings.counts) == {kind: 1}


def test_a_lease_that_was_charged_and_corrected_is_held_against_its_record() -> None:
    group = [change("a", "expired", 9), change("a", "corrected", -4)]
    findings = Findings()
    compare_ledger(group, [CallRecord("a", 5, "computed")], PERIOD, findings)
    assert findings.unexplained == 0
    assert not findings.counts


def test_records_that_no_rule_counted_are_explained() -> None:
    findings = Findings()
    compare_ledger([], [CallRecord("a", 5, "computed")], PERIOD, findings)
    assert (dict(findings.counts), findings.unexplained) == ({"outside_ledger": 1}, 0)


def test_an_hour_that_just_closed_may_still_be_built() -> None:
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    row = VerifiedHour(hour, 5, 0, 5, 4, Decimal(5), Decimal(4))
    early, late = Findings(), Findings()
    compare_hours([row], hour + timedelta(minutes=61), early)
    compare_hours([row], hour + timedelta(minutes=66), late)
    assert (early.unexplained, late.unexplained) == (0, 1)


# --- re-pricing -----------------------------------------------------------------------------


def unpriced(number: int, model: str) -> Span:
    span = call(number, REQUEST_MODEL=model, COST_NANO_USD="", COST_PROVENANCE="unpriced")
    return replace(span, at=AT)


def costs(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    rows = warehouse.query(
        "SELECT request_model, cost_usd, previous_cost_usd, cost_provenance FROM calls "
        "ORDER BY request_model"
    )
    return [tuple(row.values()) for row in rows]


def test_calls_without_a_price_get_one_and_a_dry_run_changes_nothing(
    warehouse: Warehouse, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    insert_spans(warehouse, [unpriced(1, "gpt-4o"), unpriced(2, "no-such-model")])
    before = costs(warehouse)
    for words in (["--dry-run"], []):
        code, facts = asked(warehouse, capsys, "reprice", "--since", "1d", *words)
        assert code == 0
        (row,) = facts["changed"]
        assert (row["model"], row["calls"], row["unpriced_before"]) == ("gpt-4o", 1, 1)
        assert Decimal(row["after_usd"]) == Decimal("0.00045")
        if words:
            assert costs(warehouse) == before
    assert costs(warehouse) == [
        ("gpt-4o", Decimal("0.00045"), None, "computed"),
        ("no-such-model", None, None, "unpriced"),
    ]
    assert asked(warehouse, capsys, "reprice", "--since", "1d")[1]["changed"] == []


def test_a_price_of_ones_own_reprices_history_and_keeps_the_old_amount(
    warehouse: Warehouse,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prices = folder / "prices.toml"
    prices.write_text(
        '[[price]]\nprovider = "openai"\nmodel = "gpt-x"\n'
        'input_usd_per_mtok = "10"\noutput_usd_per_mtok = "0"\n'
    )
    monkeypatch.setenv("SPANLEDGER_PRICES", str(prices))
    told = replace(call(2, 77, COST_PROVENANCE="provider", REQUEST_MODEL="gpt-x-2"), at=AT)
    spans = [replace(call(1, 1_000), at=AT), told]
    insert_spans(warehouse, spans)
    assert asked(warehouse, capsys, "reprice", "--since", "1d")[1]["changed"] == []
    asked(warehouse, capsys, "reprice", "--since", "1d", "--all")
    insert_spans(warehouse, list(reversed(spans)))
    assert costs(warehouse) == [
        ("gpt-x", Decimal("0.001"), Decimal("0.000001"), "computed"),
        ("gpt-x-2", Decimal("0.000000077"), None, "provider"),
    ]


def test_a_usage_that_is_unknown_is_never_priced(
    warehouse: Warehouse, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = replace(
        call(1, REQUEST_MODEL="gpt-4o", USAGE_SOURCE="missing", COST_PROVENANCE="unpriced"), at=AT
    )
    insert_spans(warehouse, [missing])
    assert asked(warehouse, capsys, "reprice", "--since", "1d", "--all")[1]["changed"] == []
    assert semconv.USAGE_SOURCE in missing.attributes
