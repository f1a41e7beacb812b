"""What an agent does when a call fails: try again, turn elsewhere, ask differently, hold back."""

from spanledger.recovery._adapt import adapt_prompt, adaptive
from spanledger.recovery._alternatives import (
    Alternative,
    cached_answer,
    default_answer,
    other,
    set_fallbacks,
)
from spanledger.recovery._attempt import Attempt
from spanledger.recovery._breaker import breaker, is_circuit_open
from spanledger.recovery._budgets import RetryBudget
from spanledger.recovery._fallback import fallback
from spanledger.recovery._retry import retry
from spanledger.recovery._timing import Timing
from spanledger.recovery.errors import InvalidAnswer, InvalidToolArguments
from spanledger.recovery.failures import Failure, Kind, classify
from spanledger.recovery.prompt_rules import RULES, Adaptation, PromptRule

__all__ = [
    "RULES",
    "Adaptation",
    "Alternative",
    "Attempt",
    "Failure",
    "InvalidAnswer",
    "InvalidToolArguments",
    "Kind",
    "PromptRule",
    "RetryBudget",
    "Timing",
    "adapt_prompt",
    "adaptive",
    "breaker",
    "cached_answer",
    "classify",
    "default_answer",
    "fallback",
    "is_circuit_open",
    "other",
    "retry",
    "set_fallbacks",
]
