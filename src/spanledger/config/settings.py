"""Every setting, once: its name in the file, its environment variable, its default, its meaning.

The dataclasses below are the table. The loader reads them, ``docs/settings.md`` is printed
from them, and a test holds the page to them.
"""

from dataclasses import field
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from spanledger.lean import dataclass

OnInvalidPolicy = Literal["refuse", "warn"]
OnContention = Literal["wait", "refuse"]
OnUnpriced = Literal["refuse", "ceiling_price", "count_tokens_only"]
OnStoreDown = Literal["fail_closed", "local_share", "fail_open"]
ExportMode = Literal["on", "alongside", "off"]
Content = Literal["off", "actions", "full"]


def _setting(default: Any, *, env: str, doc: str) -> Any:
    return field(default=default, metadata={"env": env, "doc": doc})


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """How limits behave. The limits themselves are the ``[[budgets]]`` of the same file."""

    enabled: bool = _setting(
        True, env="SPANLEDGER_ENABLED", doc="`false` switches Spanledger off in this process."
    )
    on_invalid_policy: OnInvalidPolicy = _setting(
        "refuse",
        env="SPANLEDGER_ON_INVALID_POLICY",
        doc="A policy that can't be read refuses every call, or only warns.",
    )
    reload_s: float = _setting(
        2.0,
        env="SPANLEDGER_RELOAD_S",
        doc="Rules that changed, in the file or at run time, hold within about so many seconds; "
        "0: only those of the start.",
    )
    on_contention: OnContention = _setting(
        "wait",
        env="SPANLEDGER_ON_CONTENTION",
        doc="A call that would fit once calls in flight are settled waits for them, or is refused.",
    )
    max_wait_s: float = _setting(
        30.0, env="SPANLEDGER_MAX_WAIT_S", doc="Longest wait on contention, in seconds."
    )
    store: str = _setting(
        "sqlite",
        env="SPANLEDGER_STORE",
        doc="Where the ledger is kept: `sqlite` (a file in the data directory, for all processes "
        "of a host), `sqlite:PATH`, `memory` (this process only), or `redis://HOST:PORT/DB`.",
    )
    on_store_down: OnStoreDown = _setting(
        "fail_closed",
        env="SPANLEDGER_ON_STORE_DOWN",
        doc="While Redis can't be reached, calls are refused, or get a share of what was left, "
        "or all pass.",
    )
    store_share: float = _setting(
        1.0,
        env="SPANLEDGER_STORE_SHARE",
        doc="That share: 1 divided by the number of processes.",
    )
    max_values: int = _setting(
        100_000,
        env="SPANLEDGER_MAX_VALUES",
        doc="In memory: counters (users, sessions, …) of one rule in one window. Further values "
        "share one counter and its limit.",
    )
    lease_s: float = _setting(
        3600.0,
        env="SPANLEDGER_LEASE_S",
        doc="After this many seconds an open reservation counts as spent in full.",
    )
    on_unpriced: OnUnpriced = _setting(
        "refuse",
        env="SPANLEDGER_ON_UNPRICED",
        doc="A model without a price under a cost budget is refused, charged at "
        "`guard.ceiling_usd_per_mtok`, or counted in tokens only.",
    )
    ceiling_usd_per_mtok: str = _setting(
        "100",
        env="SPANLEDGER_CEILING_USD_PER_MTOK",
        doc="Price of a model without one, in US dollars for a million tokens of any kind, "
        'with `on_unpriced = "ceiling_price"`.',
    )
    default_max_output_tokens: int | None = _setting(
        None,
        env="SPANLEDGER_DEFAULT_MAX_OUTPUT_TOKENS",
        doc="Output limit written into requests that set none. Changes the request.",
    )


@dataclass(frozen=True, slots=True)
class BudgetShortcut:
    """One global budget without a file."""

    usd: str | None = _setting(None, env="SPANLEDGER_BUDGET_USD", doc="Cost limit in US dollars.")
    tokens: int | None = _setting(None, env="SPANLEDGER_BUDGET_TOKENS", doc="Token limit.")
    calls: int | None = _setting(None, env="SPANLEDGER_BUDGET_CALLS", doc="Limit of calls.")
    window: str = _setting(
        "total",
        env="SPANLEDGER_BUDGET_WINDOW",
        doc="Window of these limits: minute, hour, day, week, month or total.",
    )


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What the gate does to requests."""

    include_usage: bool = _setting(
        True,
        env="SPANLEDGER_INCLUDE_USAGE",
        doc="Ask OpenAI chat streams for their usage and hide the extra chunk from the caller.",
    )


@dataclass(frozen=True, slots=True)
class PricingSettings:
    """Where prices come from."""

    overrides: Path | None = _setting(
        None,
        env="SPANLEDGER_PRICES",
        doc="File of your own prices; they win over the built-in ones.",
    )


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What leaves the process, and where it goes."""

    mode: ExportMode = _setting(
        "on",
        env="SPANLEDGER_EXPORT",
        doc="`on`: our exporter replaces a stock OTLP exporter to the same place; `alongside`: "
        "both send; `off`: only the host's exporters send.",
    )
    endpoint: str | None = _setting(
        None,
        env="SPANLEDGER_OTLP_ENDPOINT",
        doc="OTLP/HTTP base address. Default: `OTEL_EXPORTER_OTLP_ENDPOINT`, "
        "else `http://127.0.0.1:4318`.",
    )
    content: Content = _setting(
        "off",
        env="SPANLEDGER_CONTENT",
        doc="Prompts, arguments and results: not recorded, recorded for actions, or in full.",
    )
    content_chars: int = _setting(
        4000,
        env="SPANLEDGER_CONTENT_CHARS",
        doc="Where tools of `track` record arguments and results: characters of each.",
    )
    baggage: bool = _setting(
        False,
        env="SPANLEDGER_BAGGAGE",
        doc="Session, agent and user go into W3C baggage too, and so to every service that an "
        "instrumented client calls, model providers among them.",
    )
    allow: tuple[str, ...] = _setting(
        (),
        env="SPANLEDGER_EXPORT_ALLOW",
        doc="More attributes to let through: names, or prefixes that end in `*`.",
    )
    queue_size: int = _setting(
        8192,
        env="SPANLEDGER_EXPORT_QUEUE_SIZE",
        doc="Spans and records kept in memory until they are spooled or sent.",
    )
    queue_max_mb: int = _setting(
        64, env="SPANLEDGER_EXPORT_QUEUE_MAX_MB", doc="How much memory these may take, in MB."
    )
    spool: bool = _setting(
        True,
        env="SPANLEDGER_SPOOL",
        doc="What can't be sent yet waits on disk, outlives the process and is sent by the next; "
        "`false`: it waits in memory only.",
    )
    spool_dir: Path | None = _setting(
        None,
        env="SPANLEDGER_SPOOL_DIR",
        doc="Folder of the spool, on a local disk. Default: `spool` in the data directory.",
    )
    spool_max_mb: int = _setting(
        256,
        env="SPANLEDGER_SPOOL_MAX_MB",
        doc="How much disk the spool may take, of all processes together, in MB. The oldest goes.",
    )
    interval_s: float = _setting(
        1.0,
        env="SPANLEDGER_EXPORT_INTERVAL_S",
        doc="Longest time a span waits to be sent, in seconds.",
    )
    timeout_s: float = _setting(
        10.0, env="SPANLEDGER_EXPORT_TIMEOUT_S", doc="Longest time for one request, in seconds."
    )
    shutdown_timeout_s: float = _setting(
        5.0,
        env="SPANLEDGER_SHUTDOWN_TIMEOUT_S",
        doc="Longest time that the end of the process waits for unsent telemetry, in seconds.",
    )


@dataclass(frozen=True, slots=True)
class RedactionSettings:
    """What is cut out of everything that leaves the process; see `docs/redaction.md`."""

    off: tuple[str, ...] = _setting(
        (), env="SPANLEDGER_REDACTION_OFF", doc="Classes of secrets that are not looked for."
    )
    on: tuple[str, ...] = _setting(
        (),
        env="SPANLEDGER_REDACTION_ON",
        doc="Classes that are looked for only if they are named here: `credit-card`.",
    )
    patterns: tuple[str, ...] = _setting(
        (),
        env="SPANLEDGER_REDACTION_PATTERNS",
        doc="Patterns of your own, each `name: expression`; no repetition without an upper bound. "
        "In the environment they can't hold commas.",
    )
    deny: tuple[str, ...] = _setting(
        (),
        env="SPANLEDGER_REDACTION_DENY",
        doc="Attributes that never leave: names, or prefixes that end in `*`.",
    )
    keep: tuple[str, ...] = _setting(
        (),
        env="SPANLEDGER_REDACTION_KEEP",
        doc="Attributes that leave as they are: names, or prefixes that end in `*`.",
    )
    hook: str | None = _setting(
        None,
        env="SPANLEDGER_REDACTION_HOOK",
        doc="`package.module:function` of your own, from text to text, for every text. "
        "If it fails, the text is dropped.",
    )
    pii: bool = _setting(
        False,
        env="SPANLEDGER_REDACTION_PII",
        doc="Personal data is cut out too, by Presidio; needs `pip install 'spanledger[pii]'`.",
    )
    pii_entities: tuple[str, ...] = _setting(
        ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN"),
        env="SPANLEDGER_REDACTION_PII_ENTITIES",
        doc="Kinds of personal data, by Presidio's names; `PERSON` and `LOCATION` need a model.",
    )
    pii_language: str = _setting(
        "en", env="SPANLEDGER_REDACTION_PII_LANGUAGE", doc="Language of the texts."
    )
    pii_model: str | None = _setting(
        None,
        env="SPANLEDGER_REDACTION_PII_MODEL",
        doc="Installed spaCy model, or its folder, that knows names of people and places.",
    )


@dataclass(frozen=True, slots=True)
class ErrorSettings:
    """What is collected when something fails."""

    context: bool = _setting(
        True,
        env="SPANLEDGER_ERROR_CONTEXT",
        doc="Exception chain, source, variables, the operations before and the use of resources "
        "go to the span that fails.",
    )
    locals: bool = _setting(
        True,
        env="SPANLEDGER_ERROR_LOCALS",
        doc="Local variables of the application's own frames, bounded and without secrets.",
    )
    source: bool = _setting(
        True,
        env="SPANLEDGER_ERROR_SOURCE",
        doc="Lines of source around the failure, of the application's own frames.",
    )


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """What is told of the program that runs."""

    context: bool = _setting(
        True,
        env="SPANLEDGER_SCRIPT_CONTEXT",
        doc="Script, arguments without secrets, git revision, versions and host go to the "
        "resource of every span.",
    )
    environ: tuple[str, ...] = _setting(
        (),
        env="SPANLEDGER_SCRIPT_ENVIRON",
        doc="Environment variables that are recorded too, by name.",
    )


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """What a process remembers of its own actions (`spanledger.history`)."""

    actions: int = _setting(
        100,
        env="SPANLEDGER_HISTORY_ACTIONS",
        doc="So many of the last actions are kept in memory, with commands, arguments and "
        "results of 500 characters; 0: none.",
    )
    language: str = _setting(
        "en", env="SPANLEDGER_HISTORY_LANGUAGE", doc="Language of its sentences: `en` or `id`."
    )


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Who is told about refusals, thresholds, breakers and loops, beside the log."""

    webhook: str | None = _setting(
        None, env="SPANLEDGER_ALERT_WEBHOOK", doc="Address to which each event is posted as JSON."
    )
    slack: str | None = _setting(
        None, env="SPANLEDGER_ALERT_SLACK", doc="Incoming webhook of Slack (or a compatible one)."
    )


@dataclass(frozen=True, slots=True)
class WarehouseSettings:
    """Where the history is."""

    url: str | None = _setting(
        None,
        env="SPANLEDGER_CLICKHOUSE_URL",
        doc="`http(s)://user:password@host:port/database` of a ClickHouse server; without it "
        "the local stack is used.",
    )
    data_dir: Path | None = _setting(
        None, env="SPANLEDGER_DATA_DIR", doc="Folder of the local stack's data, token and log."
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one process. Precedence: code, then environment, then file, then default."""

    guard: GuardSettings = field(default_factory=GuardSettings)
    budget: BudgetShortcut = field(default_factory=BudgetShortcut)
    gate: GateSettings = field(default_factory=GateSettings)
    pricing: PricingSettings = field(default_factory=PricingSettings)
    export: ExportSettings = field(default_factory=ExportSettings)
    redaction: RedactionSettings = field(default_factory=RedactionSettings)
    errors: ErrorSettings = field(default_factory=ErrorSettings)
    script: ScriptSettings = field(default_factory=ScriptSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    warehouse: WarehouseSettings = field(default_factory=WarehouseSettings)


POLICY_FILE_ENV = "SPANLEDGER_POLICY"
POLICY_FILE_NAME = "spanledger.toml"

SECTIONS: dict[str, type[Any]] = {
    "guard": GuardSettings,
    "budget": BudgetShortcut,
    "gate": GateSettings,
    "pricing": PricingSettings,
    "export": ExportSettings,
    "redaction": RedactionSettings,
    "errors": ErrorSettings,
    "script": ScriptSettings,
    "history": HistorySettings,
    "alerts": AlertSettings,
    "warehouse": WarehouseSettings,
}


def settings_table() -> str:
    """The table of settings as Markdown."""
    rows = [
        "| setting | environment | default | meaning |",
        "|---|---|---|---|",
        f"| (the file itself) | `{POLICY_FILE_ENV}` | `./{POLICY_FILE_NAME}` if there is one "
        "| Path of the file that holds settings and budgets. |",
    ]
    for section, cls in SECTIONS.items():
        hints = get_type_hints(cls)
        for name, spec in cls.__dataclass_fields__.items():
            allowed = get_args(hints[name]) if _is_literal(hints[name]) else ()
            values = f" One of {', '.join(f'`{v}`' for v in allowed)}." if allowed else ""
            rows.append(
                f"| `{section}.{name}` | `{spec.metadata['env']}` "
                f"| {_show(spec.default)} | {spec.metadata['doc']}{values} |"
            )
    return "\n".join(rows) + "\n"


def _is_literal(hint: object) -> bool:
    return getattr(hint, "__origin__", None) is Literal


def _show(default: object) -> str:
    if default is None:
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return ", ".join(f"`{value}`" for value in default) or "none"
    return f"`{default}`"
