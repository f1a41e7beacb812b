"""Groups of rules as the text of a Grafana provisioning file. Pure.

Written by hand and not by a YAML library, for the sake of its comments: people read this file.
JSON's strings are strings of YAML.
"""

import json
from collections.abc import Iterable
from textwrap import indent

from grafana.builder.alerts._rule import Group, Rule
from grafana.builder.model import panel_id

FOLDER = "LLM agents"
DATASOURCE = "spanledger"

_HEAD = """\
# Alert rules. Generated: change grafana/builder/alerts, then `python -m grafana.builder.alerts`.
#
# Rules only: who is told is your choice, see grafana/examples. Rules from files are read-only in
# Grafana; docs/alerts.md says how to change or silence one.
apiVersion: 1
groups:
"""

_GROUP = """\
  - orgId: 1
    name: {name}
    folder: {folder}
    interval: {interval_s}s
    rules:
"""

_RULE = """\
      - uid: {uid}
        title: {title}
        condition: C
        for: {for_s}s
        # {no_data_why}
        noDataState: {no_data}
        # {error_why}
        execErrState: {error}
        dashboardUid: {dashboard}
        panelId: {panel}
        isPaused: false
        labels:
          severity: {severity}
          source: spanledger
        annotations:
          summary: {summary}
          runbook_url: {runbook}
          __dashboardUid__: {dashboard}
          __panelId__: "{panel}"
        data:
          - refId: A
            datasourceUid: {datasource}
            relativeTimeRange: {{from: {lookback_s}, to: 0}}
            model:
              refId: A
              datasource: {{type: grafana-clickhouse-datasource, uid: {datasource}}}
              editorType: sql
              format: 1
              intervalMs: 60000
              maxDataPoints: 43200
              rawSql: |-
{sql}
          # One number for each set of labels already; older versions want it said.
          - refId: B
            datasourceUid: __expr__
            model:
              refId: B
              datasource: {{type: __expr__, uid: __expr__}}
              type: reduce
              expression: A
              reducer: last
          - refId: C
            datasourceUid: __expr__
            model:
              refId: C
              datasource: {{type: __expr__, uid: __expr__}}
              type: threshold
              expression: B
              conditions:
                - evaluator: {{type: {comparison}, params: [{bound}]}}
"""


def rendered(groups: Iterable[Group]) -> str:
    """The provisioning file of these groups."""
    return _HEAD + "".join(map(_group, groups))


def _group(group: Group) -> str:
    head = _GROUP.format(
        name=json.dumps(group.name), folder=json.dumps(FOLDER), interval_s=group.interval_s
    )
    return head + "".join(map(_rule, group.rules))


def _rule(rule: Rule) -> str:
    return _RULE.format(
        uid=rule.uid,
        title=json.dumps(rule.title),
        for_s=rule.for_s,
        no_data_why=rule.no_data_why,
        no_data=rule.no_data,
        error_why=rule.error_why,
        error=rule.error,
        dashboard=rule.panel.dashboard,
        panel=panel_id(rule.panel.title),
        severity=rule.severity,
        summary=json.dumps(rule.summary, ensure_ascii=False),
        runbook=json.dumps(rule.runbook),
        datasource=DATASOURCE,
        lookback_s=rule.lookback_s,
        sql=indent(rule.sql, " " * 16),
        comparison=rule.comparison,
        bound=rule.bound,
    )
