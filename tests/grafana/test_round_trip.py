"""Grafana's own models read the dashboards and write them again: a misspelt key would be lost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from grafana.builder import FOLDER
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard


def _lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Where something that was not null is gone or is something else."""
    if before is None:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from _lost(value, after.get(key), f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _lost(one, other, f"{path}[{number}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2")  # files are classic on purpose
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_nothing_is_lost_on_the_way_through_grafanas_models(path: Any) -> None:
    before = json.loads(path.read_text())
    after = json.loads(JSONEncoder().encode(Dashboard.from_json(before)))
    assert list(_lost(before, after)) == []
