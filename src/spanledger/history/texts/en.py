"""English. Pure."""

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    # What an action is.
    "kind_tool": "tool call",
    "kind_call": "model call",
    "kind_agent": "agent",
    "kind_operation": "operation",
    "kind_session": "session",
    "the_tool": "the tool {name}",
    "the_call": "a call of {name}",
    "the_agent": "the agent {name}",
    "the_operation": "the operation {name}",
    "the_session": "the session {name}",
    # How it went.
    "status_success": "success",
    "status_error": "error",
    "status_completed": "completed",
    "status_incomplete": "incomplete",
    "status_partial": "partial",
    # Why it was done.
    "what": "It was {action}; status: {status}, after {duration}.",
    "command": "The command it served: “{command}”.",
    "no_command": "Which command it served was not recorded.",
    "part_of": "It was a part of {names}.",
    "asked_by": "It was asked for by {names}.",
    "given": "It was given the results of {names}.",
    "failed": "It failed: {why}.",
    "refused": "The guard refused it: {reason}, by the rule {rule}.",
    "again": "The same had failed before: this was a further try.",
    "failed_before": "Before it failed: {names}.",
    "cost": "It cost {cost} and used {tokens} tokens.",
    "led_to": "It led to {names}.",
    "more": "{count} more",
    # Several actions.
    "summary_none": "No action is recorded.",
    "summary_one": "The last action: {statuses}; from {start} to {end}.",
    "summary_many": "The last {count} actions: {statuses}; from {start} to {end}.",
    "summary_cost": "Model calls cost {cost} and used {tokens} tokens.",
    "summary_unpriced": "{count} model calls have no known price; their cost is not in it.",
    "summary_command": "The latest command: “{command}”.",
    "summary_kinds": "Most often: {names}.",
    "summary_failed": "Failed: {names}.",
    "not_recorded": "not recorded",
    # What stands out.
    "unusual_rare": "{name} was done {times} times among {total} actions of {agent}",
    "unusual_slow": "it took {value}; usually {usual}",
    "unusual_dear": "it cost {value}; usually {usual}",
    "unusual_failed": "it failed; {name} succeeds in {percent} % of {total} times",
    "nobody": "nobody",
    # Tables.
    "title": "What was done",
    "command_title": "Command",
    "when": "when",
    "action": "action",
    "arguments": "arguments",
    "result": "result",
    "status": "status",
    "took": "took",
    "agent": "agent",
    "cost_column": "cost",
    "no_actions": "No actions.",
}
