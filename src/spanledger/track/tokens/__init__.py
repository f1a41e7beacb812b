"""The tokens that an agent uses, counted in the process: what for, by which tool, how fast.

Model calls that Spanledger bills are counted by themselves; what no gate sees is tracked by these
functions. The ledger knows nothing of it, so nothing is billed twice, unless ``charge=True``.
"""

from spanledger.track.tokens._book import Crossed, Key, Level, Series, Source
from spanledger.track.tokens._context import TokenContext
from spanledger.track.tokens._counts import Stats
from spanledger.track.tokens._details import Operation
from spanledger.track.tokens._reports import Report, SessionReport, ToolUse
from spanledger.track.tokens._tally import Tally, current_tally
from spanledger.track.tokens._tracker import Mode, Tracker, the_tracker

__all__ = [
    "Crossed",
    "Key",
    "Level",
    "Mode",
    "Operation",
    "Report",
    "Series",
    "SessionReport",
    "Source",
    "Stats",
    "Tally",
    "TokenContext",
    "ToolUse",
    "Tracker",
    "configure",
    "count",
    "current_tally",
    "export_json",
    "import_json",
    "on_threshold",
    "rate",
    "recent",
    "report",
    "reset",
    "saw_call",
    "session_report",
    "tool_stats",
    "track_context",
    "track_operation",
    "track_text",
]

_tracker = the_tracker()
configure = _tracker.configure
count = _tracker.count
export_json = _tracker.export_json
import_json = _tracker.import_json
on_threshold = _tracker.on_threshold
rate = _tracker.rate
recent = _tracker.recent
report = _tracker.report
reset = _tracker.reset
saw_call = _tracker.saw_call
session_report = _tracker.session_report
tool_stats = _tracker.tool_stats
track_context = _tracker.track_context
track_operation = _tracker.track_operation
track_text = _tracker.track_text
