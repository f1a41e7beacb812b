"""Costs worked out by hand. The same file holds the prices in ClickHouse to the nano-dollar."""

import ast
import json
import operator
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from spanledger.pricing import price
from spanledger.usage import Usage

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("golden.json").read_text())
OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Mult: operator.mul,
}


def worked_out(formula: str) -> Fraction:
    """The value of ``tokens*nano_usd + …``, exactly."""
    return value_of(ast.parse(formula, mode="eval").body)


def value_of(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](value_of(node.left), value_of(node.right))
    assert isinstance(node, ast.Constant)
    return Fraction(str(node.value))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_cost_is_the_one_worked_out_by_hand(case: dict[str, Any]) -> None:
    cost = price(
        case["provider"],
        case["model"],
        Usage(**case["usage"]),
        at=datetime.fromisoformat(case["at"]),
    )
    assert (cost.nano_usd, cost.provenance) == (case["nano_usd"], case["provenance"]), case["why"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_expected_amount_is_the_sum_that_stands_beside_it(case: dict[str, Any]) -> None:
    if case["sum"] is None:
        assert case["nano_usd"] is None
        assert case["provenance"] == "unpriced"
    else:
        assert case["nano_usd"] == ceil(worked_out(case["sum"]))


def test_there_are_enough_cases_and_no_two_of_one_name() -> None:
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names)) >= 40
    assert all(case["why"] for case in CASES)
