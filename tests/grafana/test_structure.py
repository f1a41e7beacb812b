"""The JSON of the dashboards: whole, current, and as Grafana 11.6 to 13 takes it from files."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from grafana.builder import FOLDER, dashboards, file_of, panel_id, written
from grafana.builder.__main__ import main

from spanledger import track
from spanledger.cli._app import COMMANDS

Json = dict[str, Any]

REPOSITORY = Path(__file__).parents[2]
NAMES = (
    "overview", "cost", "agents", "session", "traces", "errors", "forecast", "pipeline",
    "coding-agents",
)  # fmt: skip
#: Panels whose size is said in their own columns or data, not in one unit.
WITHOUT_UNIT = {"table", "nodeGraph", "traces", "logs"}
#: Variables of Grafana itself that a link may have.
OF_GRAFANA = re.compile(r"^(__.*|datasource)$")


def _load(path: Path) -> Json:
    made: Json = json.loads(path.read_text())
    return made


BOARDS = {path.stem: _load(path) for path in sorted(FOLDER.glob("*.json"))}
EACH = pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board["uid"])


def _all_panels(board: Json) -> Iterator[Json]:
    """Panels and rows, those in folded rows as well."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def _panels(board: Json) -> list[Json]:
    return [panel for panel in _all_panels(board) if panel["type"] != "row"]


def _variables(board: Json) -> set[str]:
    return {variable["name"] for variable in board["templating"]["list"]}


def _sql(board: Json) -> Iterator[str]:
    for panel in _panels(board):
        yield from (target["rawSql"] for target in panel["targets"])
    yield from (v["query"] for v in board["templating"]["list"] if v["type"] == "query")
    yield from (a["target"]["rawSql"] for a in board["annotations"]["list"] if "target" in a)


def _links(board: Json) -> Iterator[str]:
    """URLs of panels and of cells."""
    for panel in _panels(board):
        yield from (link["url"] for link in panel.get("links", ()))
        field = panel["fieldConfig"]
        yield from (link["url"] for link in field["defaults"].get("links", ()))
        for override in field["overrides"]:
            for property_ in override["properties"]:
                if property_["id"] == "links":
                    yield from (link["url"] for link in property_["value"])


def test_there_are_nine_dashboards() -> None:
    assert [dashboard.name for dashboard in dashboards()] == list(NAMES)
    assert set(BOARDS) == {dashboard.uid for dashboard in dashboards()}


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard.uid)
def test_the_json_is_what_the_definition_makes(dashboard: Any) -> None:
    """Else: `python -m grafana.builder`."""
    assert file_of(dashboard).read_text() == written(dashboard)


def test_check_says_that_all_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == ""


@EACH
def test_ids_and_titles_are_unique(board: Json) -> None:
    panels = list(_all_panels(board))
    assert len({panel["id"] for panel in panels}) == len(panels)
    titles = [panel["title"] for panel in _panels(board)]
    assert len(set(titles)) == len(titles)
    assert all(titles)
    assert all(panel["id"] == panel_id(panel["title"]) for panel in _panels(board))


def test_uids_are_unique_and_short() -> None:
    uids = [board["uid"] for board in BOARDS.values()]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"[a-z-]{1,40}", uid) for uid in uids)
    assert len({board["title"] for board in BOARDS.values()}) == len(uids)


@EACH
def test_panels_lie_side_by_side_within_24_columns(board: Json) -> None:
    for level in (board["panels"], *(panel.get("panels", ()) for panel in board["panels"])):
        cells = [panel["gridPos"] for panel in level]
        assert all(cell["x"] + cell["w"] <= 24 and cell["w"] > 0 < cell["h"] for cell in cells)
        for one, other in combinations(cells, 2):
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert beside or below, (one, other)


@EACH
def test_every_line_of_a_dashboard_is_filled_to_its_end(board: Json) -> None:
    """A hole is a panel that was forgotten."""
    for level in (board["panels"], *(panel.get("panels", ()) for panel in board["panels"])):
        cells = [panel["gridPos"] for panel in level]
        for top in {cell["y"] for cell in cells}:
            covering = [c for c in cells if c["y"] <= top < c["y"] + c["h"]]
            assert sum(cell["w"] for cell in covering) == 24, (top, covering)


@EACH
def test_every_panel_says_what_it_shows_and_what_its_emptiness_means(board: Json) -> None:
    for panel in _panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert len(panel["description"]) > 30, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["noValue"], panel["title"]
        assert not defaults["noValue"].endswith("."), panel["title"]
        if panel["type"] not in WITHOUT_UNIT:
            assert defaults["unit"] not in ("", "string", "short"), panel["title"]


@EACH
def test_commands_and_functions_that_texts_name_are_there(board: Json) -> None:
    text = json.dumps(board)
    for name in re.findall(r"`spanledger ([a-z-]+)", text):
        assert name in COMMANDS, name
    for name in re.findall(r"`track\.(\w+)", text):
        assert name in track.__all__, name


@EACH
def test_no_threshold_is_the_editors_own(board: Json) -> None:
    for panel in _panels(board):
        field = panel["fieldConfig"]
        steps = (
            [field["defaults"]["thresholds"]["steps"]] if "thresholds" in field["defaults"] else []
        )
        for override in field["overrides"]:
            steps += [
                p["value"]["steps"] for p in override["properties"] if p["id"] == "thresholds"
            ]
        for each in steps:
            assert each[0]["value"] is None
            values = [step["value"] for step in each[1:]]
            assert values == sorted(values)
            assert 80 not in values, panel["title"]


@EACH
def test_every_question_goes_to_the_chosen_data_source(board: Json) -> None:
    source = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
    for panel in _panels(board):
        assert panel["datasource"] == source
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0
        assert all(target["datasource"] == source for target in panel["targets"])
    first = board["templating"]["list"][0]
    assert (first["name"], first["type"]) == ("datasource", "datasource")
    for variable in board["templating"]["list"][1:]:
        assert variable["type"] == "textbox" or variable["datasource"] == source


@EACH
def test_choices_have_all_and_are_asked_again_with_the_time_range(board: Json) -> None:
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["includeAll"]
            assert variable["multi"]
            assert variable["refresh"] == 2
            assert "allValue" not in variable
            assert "LIMIT" in variable["query"] or "arrayJoin" in variable["query"]


@EACH
def test_variables_are_there_and_used(board: Json) -> None:
    known = _variables(board)
    text = " ".join([*_sql(board), *_links(board)])
    named = set(re.findall(r"\$\{?(\w+)", text))
    assert {name for name in named if not OF_GRAFANA.match(name)} <= known
    used = set(re.findall(r"\$\{?(\w+)", " ".join(_sql(board))))
    assert known - {"datasource"} <= used


@EACH
def test_a_variable_uses_only_those_before_it(board: Json) -> None:
    before: set[str] = set()
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            named = set(re.findall(r"\$\{(\w+)", variable["query"]))
            assert named <= before, variable["name"]
        before.add(variable["name"])


@EACH
def test_values_are_quoted_wherever_they_stand(board: Json) -> None:
    """Grafana's own form of several values does not escape a quote."""
    for sql in _sql(board):
        bare = re.sub(r"\$__conditionalAll\((.*?), \$\w+\)", r"\1", sql, flags=re.DOTALL)
        for name, how in re.findall(r"\$\{(\w+)(?::(\w+))?\}", bare):
            assert how in ("singlequote", "sqlstring"), (name, sql)


@EACH
def test_no_condition_has_what_a_replacement_would_mangle(board: Json) -> None:
    """The plugin puts conditions in with String.replace, which reads these in a special way."""
    for sql in _sql(board):
        assert not re.search(r"\$[$&`']", sql.replace("'$'", "")) or "conditionalAll" not in sql


@EACH
def test_links_lead_to_dashboards_and_variables_that_are_there(board: Json) -> None:
    for url in _links(board):
        parts = urlsplit(url.replace("${__url_time_range}", "time=kept"))
        target = BOARDS[parts.path.removeprefix("/d/")]
        assert "time=kept" in parts.query, "a link keeps the time range"
        assert "${datasource:queryparam}" in parts.query
        kept = set(re.findall(r"\$\{(\w+):queryparam\}", parts.query))
        given = {key.removeprefix("var-") for key, _ in parse_qsl(parts.query) if key[:4] == "var-"}
        assert kept <= _variables(board), url
        assert kept | given <= _variables(target), url
        for value in re.findall(r"var-\w+=(\$\{[^}]*\})", url):
            assert value.endswith(":percentencode}"), url


@EACH
def test_the_dashboard_is_classic_and_needs_no_import(board: Json) -> None:
    assert board["schemaVersion"] == 41
    assert board["tags"] == ["spanledger"]
    assert board["graphTooltip"] == 2
    assert not {"__inputs", "__requires", "elements", "layout", "id"} & board.keys()
    (link,) = board["links"]
    assert link["keepTime"]
    assert link["includeVars"]


@EACH
def test_column_names_in_overrides_are_columns_of_the_query(board: Json) -> None:
    for panel in _panels(board):
        sql = " ".join(target["rawSql"] for target in panel["targets"])
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"]["id"] == "byName":
                assert override["matcher"]["options"] in sql, panel["title"]


def test_dashboards_stand_where_grafana_looks_for_them() -> None:
    """The provider's path is what docker-compose.yml mounts this folder at."""
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    mounts = dict(volume.split(":")[:2] for volume in compose["services"]["grafana"]["volumes"])
    provisioning = REPOSITORY / "grafana/provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards/spanledger.yaml").read_text())[
        "providers"
    ]
    assert (REPOSITORY / "grafana/dashboards").samefile(FOLDER)
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/spanledger.yaml").read_text())[
        "datasources"
    ]
    assert (
        source["uid"] == BOARDS["spanledger-overview"]["templating"]["list"][0]["current"]["value"]
    )
    assert source["type"] == "grafana-clickhouse-datasource"
    assert source["jsonData"]["traces"]["defaultTable"] == "spans"
    assert source["jsonData"]["logs"]["defaultTable"] == "logs"


def test_panels_that_alerts_point_at_are_there() -> None:
    found = 0
    for path in (REPOSITORY / "grafana/provisioning/alerting").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                board = BOARDS[rule["dashboardUid"]]
                assert rule["panelId"] in {panel["id"] for panel in _panels(board)}, rule["title"]
                found += 1
    assert found
