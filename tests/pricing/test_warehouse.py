"""The rows that ClickHouse prices with are those of the data that Python prices with."""

import json
from pathlib import Path

import pytest

from spanledger import pricing
from spanledger.pricing import _clauses, warehouse
from spanledger.pricing._match import predicate
from spanledger.usage import dialect_table

RAW = json.loads((Path(pricing.__file__).parent / "data" / "prices.json").read_text("utf-8"))


def test_the_committed_file_is_current() -> None:
    assert warehouse.DATA_PATH.read_text("utf-8") == warehouse.generate(), (
        "run `python -m spanledger.pricing.warehouse`"
    )


def test_every_attribute_has_one_slot_and_every_rank_fits() -> None:
    rows = [row for table, row in warehouse.reference_rows() if table == "dialect_attributes"]
    names = [row["name"] for row in rows]
    assert len(names) == len(set(names))
    most = max(map(len, dialect_table.ALIASES.values())) + 1
    assert most < warehouse.RANKS
    assert dialect_table.ALIASES.keys() - set(warehouse.FIELDS) == {"gen_ai.response.id"}


def test_the_views_ask_for_every_attribute_that_tells_an_operation() -> None:
    sql = (warehouse.DATA_PATH.parents[1] / "schema" / "0003_pricing.sql").read_text("utf-8")
    for attribute in dialect_table.OPERATIONS:
        assert sql.count(f"SpanAttributes['{attribute}']") >= 2


def holds(rule: _clauses.Rule, name: str) -> bool:
    """A rule as SQL reads it."""
    import re

    rest = name[len(rule.text) :]
    texts = (
        name == rule.text,
        name.startswith(rule.text),
        name.endswith(rule.text),
        rule.text in name,
    )
    tails = (
        True,
        re.fullmatch(r"\d{8}", rest) is not None,
        re.fullmatch(r"\d{4}-\d{2}-\d{2}", rest) is not None,
        rest[:1].isdigit(),
        re.search(r"-tts(-|$)", name) is None,
        "/" not in name[1:],
    )
    return texts[rule.kind] and tails[rule.tail]


def test_rules_say_of_every_name_what_the_clauses_say() -> None:
    endings = ["", "-20260401", "-2026-04-01", "-tts", "-tts-1", "-1", "x", "/x"]
    for provider in RAW["providers"]:
        ids = [model["id"].lower() for model in provider["models"]]
        for model in provider["models"][:40]:
            rules = list(_clauses.rules(model["match"]))
            fits = predicate(model["match"])
            texts = {rule.text for rule in rules} | set(ids[:5])
            for name in (text + ending for text in texts for ending in endings):
                assert any(holds(rule, name) for rule in rules) == fits(name), (model, name)


def test_a_form_that_is_not_known_stops_the_generator() -> None:
    for pattern in (r"^a.*b$", r"b", r"^a(?=b)", r"^x\w", r"^a[^b]"):
        with pytest.raises(ValueError, match="price file"):
            list(_clauses.rules(["regex", pattern]))
    with pytest.raises(ValueError, match="known"):
        list(_clauses.rules(["and", [["equals", "a"], ["equals", "b"]]]))
