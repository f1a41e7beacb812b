"""The arithmetic of the comparison with peers; the measuring itself is `make bench`."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks.peers import carries, chart, page, rounds, work
from benchmarks.peers import parts as steps
from benchmarks.peers.candidates import BY_NAME, CANDIDATES
from benchmarks.peers.prepare import PREPARE
from benchmarks.peers.venvs import ROOT

MEASURED: rounds.Measured = {
    "sync": {"bare": [100.0, 110.0], "official": [200.0, 210.0], "spanledger": [150.0, 160.0]},
    "stream50": {"bare": [500.0, 500.0], "official": [900.0, 900.0], "spanledger": [700.0, 700.0]},
    "stream250": {
        "bare": [1500.0, 1500.0],
        "official": [3900.0, 3900.0],
        "spanledger": [1900.0, 1900.0],
    },
}


def _row(scenario: str, candidate: str) -> rounds.Row:
    found = rounds.summary(MEASURED)
    return next(r for r in found if (r.scenario, r.candidate) == (scenario, candidate))


def test_what_is_added_is_compared_with_the_bare_client_of_the_same_round() -> None:
    row = _row("sync", "spanledger")
    assert (row.median_us, row.of_official) == (50.0, 0.5)
    assert row.of_bare == pytest.approx(1 + 50 / 105)


def test_a_bare_client_is_shown_as_it_is() -> None:
    row = _row("sync", "bare")
    assert (row.median_us, row.of_bare, row.of_official) == (105.0, None, None)


def test_a_chunk_is_the_slope_between_two_lengths_of_stream() -> None:
    assert _row(rounds.CHUNK, "official").median_us == (2400 - 400) / 200
    assert _row(rounds.CHUNK, "spanledger").median_us == (400 - 200) / 200


def test_every_candidate_can_be_prepared_and_has_something_to_be_compared_with() -> None:
    assert set(PREPARE) == set(BY_NAME)
    assert {candidate.bare for candidate in CANDIDATES} <= set(BY_NAME)


def _span(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"attributes": attributes, "events": [], "status": "UNSET"}


def _found(cost: str, value: Any) -> dict[str, list[dict[str, Any]]]:
    output = {"gen_ai.usage.output_tokens": 300, "gen_ai.usage.cache_read.input_tokens": 1024}
    empty: dict[str, list[dict[str, Any]]] = {case: [] for case in carries.COSTS}
    return empty | {
        "cached": [_span({**output, cost: value})],
        "unknown model": [_span({cost: 0})],
        "stream left": [_span({})],
        "error": [_span({"http.response.status_code": 429, "x": "insufficient_quota"})],
    }


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("spanledger.cost.nano_usd", 4_720_000, 1),
        ("gen_ai.usage.cost", 0.00472, 1),
        ("operation.cost", 0.0048, 0),
        ("langfuse.observation.cost_details", json.dumps({"total": 0.00472}), 1),
    ],
)
def test_a_cost_is_right_or_wrong_by_whatever_name_it_goes(
    name: str, value: Any, right: int
) -> None:
    carried = carries.read("x", _found(name, value))
    assert (carried.cost, carried.output_tokens, carried.cached_tokens) == (right, 1, True)
    assert (carried.http_status, carried.provider_code) == (True, True)
    assert carried.stream_left == "span, no tokens"


def test_what_an_unknown_model_costs_is_named_and_not_guessed() -> None:
    assert carries.read("x", _found("gen_ai.usage.cost", 0)).unknown_model == "free"
    refused = _found("y", 0) | {"unknown model": [_span({"reason": "price_unknown"})]}
    assert carries.read("x", refused).unknown_model == "refused"
    assert carries.read("x", _found("y", 0) | {"unknown model": []}).unknown_model == "no cost"


def test_the_provider_sends_the_usage_of_a_stream_only_if_it_is_asked_for() -> None:
    provider = work.Provider()
    asked = {"model": "gpt-4o", "stream": True, "seed": 3}
    without = provider.answer("/v1/chat/completions", json.dumps(asked).encode())
    options = {**asked, "stream_options": {"include_usage": True}}
    with_it = provider.answer("/v1/chat/completions", json.dumps(options).encode())
    assert (b'"usage"' in without.body, b'"usage"' in with_it.body) == (False, True)
    assert without.body.count(b'"word "') == 3


def test_the_rows_where_others_are_ahead_are_on_the_page() -> None:
    ours = {"scenario": "sync", "candidate": "spanledger", "median_us": 100.0, "of_bare": 1.2}
    other = {**ours, "candidate": "langfuse", "median_us": 80.0}
    text = page._lost({"calls_us": [ours, other]})
    assert text == "- Synchronous call: Langfuse (0.80 of ours)"


def test_the_steps_of_a_call_and_the_rest_add_up_to_what_it_adds() -> None:
    ours = {"scenario": "sync", "candidate": "spanledger", "median_us": 100.0, "of_bare": 1.2}
    parts = {"begin": 30.0, "ask": 20.0, "answer": 40.0, "span": 25.0, "dictionary": 0.5}
    rows = page._parts({"calls_us": [ours], "parts_us": {"spanledger": parts}}).splitlines()
    figures = [float(row.split("|")[2]) for row in rows[2:]]
    assert sum(figures[:4]) == ours["median_us"]
    assert figures[4:] == [25.0, 0.5]


def test_the_readme_shows_the_figures_of_the_last_results() -> None:
    """Nobody has to copy them, so nobody can forget to."""
    readme = page.README.read_text()
    assert page.figures(json.loads((ROOT / "benchmarks/results/peers.json").read_text())) in readme


def test_every_step_is_timed_once_a_call_and_every_floor_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = SimpleNamespace(step=lambda: None)
    monkeypatch.setitem(sys.modules, "a_module_of_steps", module)
    monkeypatch.setattr(steps, "STEPS", {"only": ("a_module_of_steps", "step")})
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        module.step()

    found = steps.measure(call, {"a": 1}, 10)
    assert set(found) == {"only", "span", "dictionary"}
    assert all(value >= 0 for value in found.values())
    assert len(calls) == 40


def test_a_chart_escapes_its_labels_and_survives_negative_bars() -> None:
    drawn = chart.bars("a < b", [chart.Bar("<x>", -1.0, marked=True)])
    assert "&lt;x&gt;" in drawn
    assert "<x>" not in drawn
