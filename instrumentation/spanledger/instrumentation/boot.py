"""How Spanledger gets into a process: the pre-instrument hook, or `install()` from code.

`opentelemetry-instrument` calls `pre_instrument` after the provider is made and before any
instrumentation is loaded. That hook must not raise: an exception there makes OpenTelemetry
skip all instrumentations and start the agent all the same, without anything of ours.
"""

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider

from spanledger import guard, health
from spanledger.config import (
    AlertSettings,
    ConfigError,
    Document,
    Settings,
    default_data_dir,
    load_settings,
)
from spanledger.guard.policy_file import PolicyFile
from spanledger.guard.reloading import Reloader
from spanledger.instrumentation import _context_carry, _hooks
from spanledger.instrumentation._export_options import export_options
from spanledger.instrumentation._options import options
from spanledger.lean import dataclass
from spanledger.processors import errors, history, providers, span_end
from spanledger.processors.budget_metrics import observe_budgets
from spanledger.processors.clean import Cleaner
from spanledger.processors.endpoint import endpoint_of
from spanledger.processors.enforcement import EnforcementProcessor
from spanledger.processors.export import Exporter, ExportProcessor
from spanledger.processors.guard_events import GuardEventRecorder
from spanledger.processors.metrics import DecisionCounter, observe_books
from spanledger.processors.redact.lazy import Redaction, check_redaction
from spanledger.processors.redaction import AllowList, Names
from spanledger.processors.superseded import supersede
from spanledger.track import Capture, arrive_by, use_baggage, use_capture, use_reporter

if TYPE_CHECKING:
    from spanledger.processors.script_context import ScriptContext
    from spanledger.processors.transport import Transport

_log = logging.getLogger("spanledger.boot")
_OURS = (EnforcementProcessor, ExportProcessor)

#: Settings that hold however broken the rest is.
_WAYS_OUT = ("SPANLEDGER_ENABLED", "SPANLEDGER_ON_INVALID_POLICY", "SPANLEDGER_EXPORT")
_lock = threading.Lock()


@dataclass(slots=True)
class Installation:
    """What `install` put into this process."""

    settings: Settings
    policy: guard.Policy
    redact: Redaction
    """Cuts secrets out of what leaves the process."""
    config_error: ConfigError | None = None
    store: guard.Store | None = None
    endpoint: str = ""
    exporter: Exporter | None = None
    superseded: list[str] = field(default_factory=list)
    """Addresses of stock exporters that ours replaced."""
    file: PolicyFile | None = None
    """Where the rules come from; None if `install` was given a policy."""
    webhooks: list[guard.Listener] = field(default_factory=list)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Send what waits; True if nothing is left."""
        return self.exporter.flush(timeout_s) if self.exporter is not None else True


_installation: Installation | None = None


def pre_instrument() -> None:
    """The ``opentelemetry_pre_instrument`` entry point. Never raises.

    A provider that is missing is made only when the first call needs it: until then the
    program may set its own, and the API lets only the first one win.
    """
    install(make_provider=False)


def installation() -> Installation | None:
    """What is installed in this process, if anything is."""
    return _installation


def install(
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    policy: guard.Policy | None = None,
    make_provider: bool = True,
) -> Installation | None:
    """Put gate, guard, processors and exporter into this process. Never raises; twice is once.

    `overrides` are settings by ``section.name``; `policy` replaces the rules of the file.
    Call it after your own tracer provider is set; if there is none, one is made
    (`make_provider=False`: not before the first model call needs it).

    Returns None if Spanledger is switched off (``SPANLEDGER_ENABLED=false``).
    """
    with _lock:
        if _installation is None:
            try:
                _install(dict(os.environ if environ is None else environ), overrides, policy)
            except Exception:  # noqa: BLE001 - must not raise into OpenTelemetry's boot
                _log.exception("Spanledger could not be installed")
                _deny_everything()
        if make_provider:
            _ensure_provider()
        return _installation


def _ensure_provider() -> None:
    try:
        providers.ensure()
    except Exception:  # noqa: BLE001 - without a provider calls are guarded all the same
        _log.exception("Spanledger could not make a tracer provider; no spans are recorded")


def _deny_everything() -> None:
    """Our own failure at boot must not open a limit: calls are refused until it is mended."""
    error = ConfigError("Spanledger failed to start; see the log", key="(boot)")
    guard.use(guard.Guard(policy_error=error, listeners=(guard.log_event,)))
    _hooks.watch_imports()


def _install(
    environ: dict[str, str], overrides: Mapping[str, Any] | None, policy: guard.Policy | None
) -> None:
    global _installation
    configure = partial(_configure, environ, overrides, policy)
    made = configure()
    if not made.settings.guard.enabled:
        _log.info("Spanledger is switched off (SPANLEDGER_ENABLED=false)")
        return
    _start_guard(made, configure, [partial(guard.log_event, clean=made.redact.cut)])
    _hooks.watch_imports()
    _carry_context(made.settings, environ)
    # From here on calls are guarded; what follows is telemetry.
    _installation = made
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true":
        _try_telemetry(made, environ)
    _announce(made)


def _carry_context(settings: Settings, environ: Mapping[str, str]) -> None:
    """Whom work belongs to follows it into threads and processes; limits need that, not spans."""
    content = settings.export.content != "off"
    use_capture(Capture(content, settings.export.content_chars))
    use_baggage(settings.export.baggage)
    try:
        _context_carry.install(environ)
        arrive_by(environ)
    except Exception:  # noqa: BLE001 - calls are limited all the same
        _log.exception("Context can't be handed to threads and processes")


def _try_telemetry(made: Installation, environ: dict[str, str]) -> None:
    try:
        _start_telemetry(made, environ)
    except Exception:  # noqa: BLE001 - limits hold without telemetry, and the agent works on
        _log.exception("Spanledger's telemetry could not be started; limits hold without it")


def _configure(
    environ: dict[str, str], overrides: Mapping[str, Any] | None, policy: guard.Policy | None
) -> Installation:
    """Settings and policy; an error in either is kept, and decides later what happens."""
    error = None
    settings = Settings()
    rules = guard.Policy() if policy is None else policy
    store: guard.Store | None = None
    file = PolicyFile(environ, Path.cwd(), overrides)
    try:
        document = file.document()
        settings = load_settings(document, environ=environ, overrides=overrides)
        check_redaction(settings.redaction, environ, document)
        if policy is None:
            rules = guard.read_policy(document, settings.budget)
        file.accept()
        if settings.pricing.overrides is not None:
            _use_prices(settings.pricing.overrides)
        store = guard.open_store(
            settings.guard, settings.warehouse.data_dir or default_data_dir(environ)
        )
    except ConfigError as failure:
        error = failure
        settings = _settings_in_spite_of_error(environ, overrides)
    redact = Redaction(settings.redaction, environ)
    rules_file = file if policy is None else None
    return Installation(settings, rules, redact, error, store, file=rules_file)


def _settings_in_spite_of_error(
    environ: dict[str, str], overrides: Mapping[str, Any] | None
) -> Settings:
    """What environment and code say, if the fault is elsewhere; at the least the way out."""
    way_out = {name: environ[name] for name in _WAYS_OUT if name in environ}
    for readable, code in ((environ, overrides), (way_out, None)):
        try:
            return load_settings(Document(), environ=readable, overrides=code)
        except ConfigError:
            continue
    return Settings()


def _use_prices(path: Path) -> None:
    """The user's own prices. The built-in ones are read when the first call needs them."""
    from spanledger import pricing

    try:
        pricing.configure(path)
    except pricing.PricesFileError as failure:
        raise ConfigError(str(failure), key="pricing.overrides") from failure


def _start_guard(
    made: Installation, configure: Callable[[], Installation], listeners: Sequence[guard.Listener]
) -> None:
    error, settings = made.config_error, made.settings
    restart = None if error is None else partial(_try_again, made, configure)
    if error is not None and settings.guard.on_invalid_policy == "warn":
        _log.error("%s Calls are NOT limited (SPANLEDGER_ON_INVALID_POLICY=warn).", error)
        error = None
    elif error is not None:
        _log.error("%s Every call is refused until it is mended.", error)
    made.webhooks = _webhooks(settings.alerts, made.redact.cut)
    new = guard.Guard(
        made.policy,
        settings=settings.guard,
        store=made.store,
        listeners=(*listeners, *made.webhooks),
        policy_error=error,
    )
    new.follow(Reloader(made.policy, new.store, settings.guard, file=made.file, restart=restart))
    guard.use(new)
    options.include_usage = settings.gate.include_usage
    options.default_max_output_tokens = settings.guard.default_max_output_tokens


def _try_again(made: Installation, configure: Callable[[], Installation]) -> ConfigError | None:
    """The configuration could not be used at the start: maybe it was mended. What is wrong now.

    Guard and ledger begin as that says; where telemetry goes stays as it is.
    """
    again = configure()
    if str(again.config_error) == str(made.config_error):
        return again.config_error
    with _lock:
        if _installation is made:
            listeners = [each for each in guard.current().listeners if each not in made.webhooks]
            made.settings, made.policy, made.store = again.settings, again.policy, again.store
            made.config_error = again.config_error
            if again.settings.guard.enabled:
                _start_guard(made, configure, listeners)
                _announce(made)
            else:
                guard.use(guard.Guard())
    return again.config_error


def _webhooks(alerts: AlertSettings, clean: Callable[[str], str]) -> list[guard.Listener]:
    """The listeners that post events. An address of no use is said and left out."""
    if not (alerts.webhook or alerts.slack):
        return []
    from spanledger.guard.webhook import Webhook

    made: list[guard.Listener] = []
    try:
        if alerts.webhook:
            made.append(Webhook(alerts.webhook, clean=clean))
        if alerts.slack:
            made.append(Webhook(alerts.slack, style="slack", clean=clean))
    except ValueError as error:
        _log.error("Alerts are not posted: %s", error)
    return made


def _start_telemetry(made: Installation, environ: dict[str, str]) -> None:
    span_end.install()
    _collect_errors(made.settings, made.redact.cut)
    remembered = made.settings.history
    history.remember(remembered.actions, made.redact.cut, remembered.language)
    export = made.settings.export
    if export.mode != "off":
        made.endpoint = endpoint_of(export.endpoint, environ)
        made.exporter = _exporter(made, environ)
        guard.current().with_listener(GuardEventRecorder(made.exporter))
        observe_books(made.exporter.books)
        atexit.register(made.exporter.shutdown)
    guard.current().with_listener(DecisionCounter())
    observe_budgets()
    health.observe()

    def equip(provider: TracerProvider) -> None:
        _equip(provider, made, environ)

    providers.on_new_provider(equip)
    providers.make_missing(True)
    if (provider := providers.current_provider()) is not None:
        equip(provider)


def _collect_errors(settings: Settings, redact: Callable[[str], str]) -> None:
    """What is reported by hand is collected in any case; the rest if it is wanted."""
    wanted, content = settings.errors, settings.export.content == "full"
    shown = errors.ErrorOptions(locals=wanted.locals, source=wanted.source, content=content)
    recorder = errors.ErrorRecorder(redact, shown)
    use_reporter(recorder)
    errors.use(recorder if wanted.context else None)


def _script_context(
    settings: Settings, redact: Callable[[str], str]
) -> Callable[[], Mapping[str, Any]]:
    """Facts of the process, read (and the code for it loaded) when the first batch is sent."""
    if not settings.script.context:
        return dict

    @cache
    def context() -> "ScriptContext":
        from spanledger.processors.script_context import ScriptContext

        content = settings.export.content == "full"
        return ScriptContext(redact, settings.script.environ, content=content)

    def facts() -> Mapping[str, Any]:
        return context()()

    return facts


def _exporter(made: Installation, environ: dict[str, str]) -> Exporter:
    export, redaction, redact = made.settings.export, made.settings.redaction, made.redact
    allow = AllowList(content=export.content, extra=export.allow, deny=redaction.deny)
    script = _script_context(made.settings, redact)

    def connect() -> "Transport":
        # Loaded on the thread that sends.
        from spanledger.processors.transport import transport_to

        return transport_to(made.endpoint, environ)

    return Exporter(
        connect,
        Cleaner(allow, redact, script, Names(redaction.keep)),
        export_options(made.settings, made.endpoint, environ),
        lambda: {**script(), **_resource_attributes()},
    )


def _resource_attributes() -> Mapping[str, Any]:
    provider = providers.current_provider()
    return provider.resource.attributes if provider is not None else {}


def _equip(provider: TracerProvider, made: Installation, environ: Mapping[str, str]) -> None:
    """Put our processors into one provider, once."""
    if any(isinstance(p, EnforcementProcessor) for p in providers.processors_of(provider)):
        return
    ours: list[Any] = [EnforcementProcessor()]
    # Also if nothing is exported: limits need the names of agents that only spans of frameworks
    # know, however few of them are sampled.
    providers.record_calls(provider)
    if made.exporter is not None:
        ours.append(ExportProcessor(made.exporter))
        if made.settings.export.mode == "on":
            made.superseded += supersede(provider, made.endpoint, environ)
    providers.prepend(provider, ours)


def _announce(made: Installation) -> None:
    if made.config_error is not None:
        return
    if made.policy:
        names = list(made.policy.names())
        _log.info("Spanledger holds %d rules: %s", len(names), ", ".join(names))
    else:
        _log.warning(
            "Spanledger meters only: no limit is set. Write a budget into spanledger.toml or set "
            "SPANLEDGER_BUDGET_USD."
        )


def uninstall() -> None:
    """Take everything out again and stop the worker. For tests and interactive use."""
    global _installation
    with _lock:
        made, _installation = _installation, None
        _hooks.unwatch()
        _context_carry.uninstall()
        use_capture(Capture())
        use_baggage(False)
        providers.forget_new_providers()
        providers.make_missing(False)
        span_end.uninstall()
        errors.use(None)
        history.use(None)
        use_reporter(None)
        if made is not None and made.exporter is not None:
            atexit.unregister(made.exporter.shutdown)
            made.exporter.shutdown()
        guard.use(guard.Guard())
        if (provider := providers.current_provider()) is not None:
            providers.remove(provider, lambda p: isinstance(p, _OURS))
