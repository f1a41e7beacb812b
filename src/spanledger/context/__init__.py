"""The context window: measured, kept within its limit, and remembered beyond it.

Strategies and counting are plain functions over OpenAI's or Anthropic's messages; `Conversation`
uses them by itself; `spanledger.context.memory` keeps what should outlive a conversation.
"""

from spanledger.context._compression import Compression
from spanledger.context._entries import Entry
from spanledger.context._messages import Dialect, Message
from spanledger.context.analysis import Analysis, MessageAnalysis, analyze
from spanledger.context.conversation import CompressionRecord, Conversation, Found
from spanledger.context.counting import Count, count_messages, count_tokens
from spanledger.context.errors import (
    ContextError,
    ContextTooSmall,
    InvalidMessage,
    ModelUnknown,
    SummaryFailed,
)
from spanledger.context.presets import PRESETS, Preset
from spanledger.context.prioritising import Block, Prioritised, prioritise
from spanledger.context.strategies import (
    AsyncSummariser,
    Summariser,
    acompress,
    asummarize,
    compress,
    extractive_summary,
    keep_important,
    sliding_window,
    summarize,
)

__all__ = [
    "PRESETS",
    "Analysis",
    "AsyncSummariser",
    "Block",
    "Compression",
    "CompressionRecord",
    "ContextError",
    "ContextTooSmall",
    "Conversation",
    "Count",
    "Dialect",
    "Entry",
    "Found",
    "InvalidMessage",
    "Message",
    "MessageAnalysis",
    "ModelUnknown",
    "Preset",
    "Prioritised",
    "Summariser",
    "SummaryFailed",
    "acompress",
    "analyze",
    "asummarize",
    "compress",
    "count_messages",
    "count_tokens",
    "extractive_summary",
    "keep_important",
    "prioritise",
    "sliding_window",
    "summarize",
]
