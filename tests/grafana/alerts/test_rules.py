"""The provisioning file has the shape that Grafana reads, and each rule what a person needs."""

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from grafana.builder import dashboards, panel_id
from grafana.builder.alerts import FILE, GROUPS, Rule, rendered

from spanledger.cli._app import app
from tests.grafana.alerts._evaluator import seconds

REPOSITORY = FILE.parents[3]
RUNBOOKS = REPOSITORY / "docs" / "runbooks"
EXAMPLES = REPOSITORY / "grafana" / "examples"

RULES = [rule for group in GROUPS for rule in group.rules]
WRITTEN: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())["groups"]

#: The keys that Grafana's provisioning reads (`AlertRuleGroupV1`, `AlertRuleV1`, `QueryV1`).
GROUP_KEYS = {"orgId", "name", "folder", "interval", "rules"}
RULE_KEYS = {
    "uid", "title", "condition", "for", "noDataState", "execErrState", "dashboardUid", "panelId",
    "isPaused", "labels", "annotations", "data",
}  # fmt: skip
QUERY_KEYS = {"refId", "datasourceUid", "relativeTimeRange", "model"}

SECTIONS = ["What it means", "Look here", "Likely causes", "What to do", "Adjust or silence"]

#: What Grafana has itself, and our words.
IN_GRAFANA = {"Critical", "Warning", "Notification policies", "Export", "Duplicate", "LLM agents"}

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
each_written = pytest.mark.parametrize(
    "written", [rule for group in WRITTEN for rule in group["rules"]], ids=lambda rule: rule["uid"]
)


def test_the_file_is_what_the_definitions_say() -> None:
    assert FILE.read_text() == rendered(GROUPS), "run python -m grafana.builder.alerts"


def test_the_file_holds_rules_and_nothing_that_changes_who_is_told() -> None:
    """Provisioned policies would replace those of the whole organisation."""
    files = sorted(path.name for path in FILE.parent.iterdir())
    assert files == [FILE.name]
    assert set(yaml.safe_load(FILE.read_text())) == {"apiVersion", "groups"}


@pytest.mark.parametrize("group", WRITTEN, ids=lambda group: group["name"])
def test_groups_have_the_keys_that_grafana_reads(group: dict[str, Any]) -> None:
    assert set(group) == GROUP_KEYS
    for rule in group["rules"]:
        assert seconds(rule["for"]) % seconds(group["interval"]) == 0


@each_written
def test_rules_have_the_keys_that_grafana_reads(written: dict[str, Any]) -> None:
    assert set(written) == RULE_KEYS
    assert all(set(query) <= QUERY_KEYS for query in written["data"])
    assert [query["refId"] for query in written["data"]] == ["A", "B", "C"]
    assert written["noDataState"] in {"OK", "Alerting", "KeepLast"}
    assert written["execErrState"] in {"OK", "Alerting", "KeepLast"}
    assert written["annotations"]["__panelId__"] == str(written["panelId"])


def test_uids_and_titles_are_unique_and_short_enough() -> None:
    assert len({rule.uid for rule in RULES}) == len({rule.title for rule in RULES}) == len(RULES)
    assert all(re.fullmatch(r"[a-z-]{1,40}", rule.uid) for rule in RULES)


@each_rule
def test_a_summary_is_one_sentence_with_a_number(rule: Rule) -> None:
    assert rule.summary.endswith(".")
    assert rule.summary.count(". ") == 0
    assert "$values.B.Value" in rule.summary
    assert "${" not in rule.summary, "Grafana would look for a variable of the environment"


@each_rule
def test_a_query_uses_what_the_back_end_knows_and_the_time_of_the_evaluation(rule: Rule) -> None:
    """Variables and $__interval are the front end's; now() would be another time."""
    macros = set(re.findall(r"\$\w+", rule.sql))
    assert macros <= {"$__timeFilter", "$__fromTime", "$__toTime"}
    assert "${" not in rule.sql
    assert not re.search(r"\b(now|today)\(", rule.sql)


@each_rule
def test_why_no_data_and_errors_are_taken_as_they_are_stands_in_the_file(rule: Rule) -> None:
    text = FILE.read_text()
    assert f"# {rule.no_data_why}\n        noDataState: {rule.no_data}\n" in text
    assert f"# {rule.error_why}\n        execErrState: {rule.error}\n" in text


@each_rule
def test_the_panel_to_which_a_rule_leads_is_there(rule: Rule) -> None:
    (dashboard,) = (found for found in dashboards() if found.uid == rule.panel.dashboard)
    titles = {panel.title: panel.id for panel in dashboard.panels}
    assert titles.get(rule.panel.title) == panel_id(rule.panel.title)


@each_rule
def test_a_rule_has_a_runbook_that_says_what_to_do(rule: Rule) -> None:
    text = (RUNBOOKS / f"{rule.name}.md").read_text()
    assert text.startswith(f"# {rule.title}\n")
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads == [
        "What it means",
        "Look here",
        "Likely causes",
        "What to do",
        "Adjust or silence",
    ]
    assert f"/d/{rule.panel.dashboard}?viewPanel={panel_id(rule.panel.title)}" in text


def test_there_is_no_runbook_without_a_rule() -> None:
    assert {path.stem for path in RUNBOOKS.iterdir()} == {rule.name for rule in RULES}


@each_rule
def test_the_page_on_alerts_tells_of_every_rule(rule: Rule) -> None:
    text = (REPOSITORY / "docs" / "alerts.md").read_text()
    line = f"| [{rule.title}](runbooks/{rule.name}.md) | {rule.severity} |"
    assert line in text


def _examples() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(Path(EXAMPLES).glob("alerting/*.yaml")):
        found |= yaml.safe_load(path.read_text())
    return found


def test_examples_send_to_receivers_that_they_define() -> None:
    examples = _examples()
    defined = {point["name"] for point in examples["contactPoints"]}
    (policy,) = examples["policies"]
    assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} <= defined


def test_examples_match_labels_that_rules_have() -> None:
    (policy,) = _examples()["policies"]
    severities = {rule.severity for rule in RULES}
    matchers = [matcher for route in policy["routes"] for matcher in route["object_matchers"]]
    assert ["source", "=", "spanledger"] in matchers
    assert {value for label, _, value in matchers if label == "severity"} <= severities


def _texts() -> list[Path]:
    return [*sorted(RUNBOOKS.iterdir()), REPOSITORY / "docs" / "alerts.md"]


@pytest.mark.parametrize("path", _texts(), ids=lambda path: path.stem)
def test_what_a_text_names_is_there(path: Path) -> None:
    """Panels, dashboards and rules in italics, files, other pages."""
    text = path.read_text()
    known = {rule.title for rule in RULES} | {p.title for d in dashboards() for p in d.panels}
    known |= {d.title for d in dashboards()}
    known |= {d.title.removeprefix("Spanledger: ").capitalize() for d in dashboards()}
    named = set(re.findall(r"(?<!\*)\*([A-Z][^*→]+)\*(?!\*)", text.replace("\n  ", " ")))
    assert {name.replace("\n", " ") for name in named} <= known | IN_GRAFANA
    for name in re.findall(r"`((?:grafana|tests)/[\w/.-]+)`", text):
        assert (REPOSITORY / name).exists(), name
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", _texts(), ids=lambda path: path.stem)
def test_the_commands_of_a_text_are_understood(path: Path) -> None:
    for line in re.findall(r"`spanledger ([^`]+)`", path.read_text()):
        _understood(app, line.split())


def _understood(command: click.Command, arguments: list[str]) -> None:
    """Raises `click.UsageError` if a command or option is not there. Runs nothing."""
    context = command.make_context(command.name, list(arguments))
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        _, found, rest = command.resolve_command(context, rest)
        assert found is not None
        _understood(found, rest)
