"""Questions about the history: one a file, its SQL in ``sql/``, values bound by the server.

>>> from spanledger.analytics import cost_report
>>> from spanledger.warehouse import connect
>>> cost_report(connect("http://user:password@127.0.0.1:8123/spanledger"))  # doctest: +SKIP
"""

from spanledger.analytics.anomalies import ANOMALY_KINDS, Anomaly, AnomalyKind, anomalies
from spanledger.analytics.arrival import Arrival, arrival
from spanledger.analytics.bills import BilledLine, UnreadableBill, read_bill
from spanledger.analytics.burn_rate import BurnAlarm, BurnRate, burn_alarms, burn_rates
from spanledger.analytics.cache_use import CacheSaving, CacheUse, cache_savings, cache_use
from spanledger.analytics.corrections import NewPrice, PricedCall, calls_to_price, write_prices
from spanledger.analytics.cost_report import DIMENSIONS, CostRow, Dimension, cost_report
from spanledger.analytics.errors import (
    ErrorContext,
    ErrorRow,
    error_context,
    find_errors,
    recent_errors,
)
from spanledger.analytics.exports import (
    EXPORT_FORMS,
    EXPORT_TABLES,
    ExportForm,
    ExportTable,
    export_count,
    export_rows,
)
from spanledger.analytics.forecasts import (
    FORECAST_METRICS,
    LONGEST_FORECAST_DAYS,
    BudgetEnd,
    Forecast,
    ForecastMetric,
    ForecastPoint,
    budget_end,
    forecast,
)
from spanledger.analytics.known_names import known_names, require_known
from spanledger.analytics.model_comparison import ModelRow, compare_models
from spanledger.analytics.process_health import ProcessHealth, process_health
from spanledger.analytics.recent_traces import TraceRow, find_traces, recent_traces
from spanledger.analytics.reconciliation import (
    DIFFERENCE_CLASSES,
    Difference,
    DifferenceClass,
    Reconciliation,
    reconcile,
)
from spanledger.analytics.recorded_days import RecordedDay, recorded_days
from spanledger.analytics.refusals import RefusalRow, refusals
from spanledger.analytics.refused_work import RefusedRow, refused_work
from spanledger.analytics.reset import ResetCounts, reset_preview, reset_scope
from spanledger.analytics.scope import SCOPE_KINDS, Scope, ScopeKind, UnknownName
from spanledger.analytics.session_usage import (
    SESSION_ORDERS,
    SessionOrder,
    SessionOutcomes,
    SessionUsage,
    session_outcomes,
    top_sessions,
)
from spanledger.analytics.totals import Totals, totals
from spanledger.analytics.trace_tree import SpanNode, SpanRow, build_trees, trace_tree
from spanledger.analytics.tracked_calls import TrackedCall, track_call
from spanledger.analytics.usage_stats import (
    USAGE_WINDOWS,
    UsageDimension,
    UsageRow,
    UsageWindow,
    usage_stats,
)
from spanledger.analytics.verification import CallRecord, VerifiedHour, call_records, verified_hours
from spanledger.analytics.waste import RetryRow, retries

__all__ = [
    "ANOMALY_KINDS",
    "DIFFERENCE_CLASSES",
    "DIMENSIONS",
    "EXPORT_FORMS",
    "EXPORT_TABLES",
    "FORECAST_METRICS",
    "LONGEST_FORECAST_DAYS",
    "SCOPE_KINDS",
    "SESSION_ORDERS",
    "USAGE_WINDOWS",
    "Anomaly",
    "AnomalyKind",
    "Arrival",
    "BilledLine",
    "BudgetEnd",
    "BurnAlarm",
    "BurnRate",
    "CacheSaving",
    "CacheUse",
    "CallRecord",
    "CostRow",
    "Difference",
    "DifferenceClass",
    "Dimension",
    "ErrorContext",
    "ErrorRow",
    "ExportForm",
    "ExportTable",
    "Forecast",
    "ForecastMetric",
    "ForecastPoint",
    "ModelRow",
    "NewPrice",
    "PricedCall",
    "ProcessHealth",
    "Reconciliation",
    "RecordedDay",
    "RefusalRow",
    "RefusedRow",
    "ResetCounts",
    "RetryRow",
    "Scope",
    "ScopeKind",
    "SessionOrder",
    "SessionOutcomes",
    "SessionUsage",
    "SpanNode",
    "SpanRow",
    "Totals",
    "TraceRow",
    "TrackedCall",
    "UnknownName",
    "UnreadableBill",
    "UsageDimension",
    "UsageRow",
    "UsageWindow",
    "VerifiedHour",
    "anomalies",
    "arrival",
    "budget_end",
    "build_trees",
    "burn_alarms",
    "burn_rates",
    "cache_savings",
    "cache_use",
    "call_records",
    "calls_to_price",
    "compare_models",
    "cost_report",
    "error_context",
    "export_count",
    "export_rows",
    "find_errors",
    "find_traces",
    "forecast",
    "known_names",
    "process_health",
    "read_bill",
    "recent_errors",
    "recent_traces",
    "reconcile",
    "recorded_days",
    "refusals",
    "refused_work",
    "require_known",
    "reset_preview",
    "reset_scope",
    "retries",
    "session_outcomes",
    "top_sessions",
    "totals",
    "trace_tree",
    "track_call",
    "usage_stats",
    "verified_hours",
    "write_prices",
]
