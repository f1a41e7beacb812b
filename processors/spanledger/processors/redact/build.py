"""From settings to what cuts secrets out of texts."""

from collections.abc import Iterable, Mapping

from spanledger.config import ConfigError, Document, RedactionSettings
from spanledger.processors.redact.engine import CLASSES, OFF_BY_DEFAULT, Engine
from spanledger.processors.redact.environment import EnvironmentSecrets
from spanledger.processors.redact.extra import ExtraPattern, PatternError, extra_pattern
from spanledger.processors.redact.hook import Hook
from spanledger.processors.redact.pii import PersonalData
from spanledger.processors.redact.pipeline import LiveEngine, Pipeline, Step

_NOWHERE = Document()


def redaction_of(
    settings: RedactionSettings, environ: Mapping[str, str], document: Document = _NOWHERE
) -> Pipeline:
    """The redaction that `settings` ask for.

    Raises `ConfigError` for a setting that can't be used, with its line if `document` holds it.
    """
    environment = EnvironmentSecrets(environ)
    engine = Engine(
        environment.all(),
        classes=_classes(settings, document),
        extra=[_pattern(entry, document) for entry in settings.patterns],
    )
    return Pipeline(LiveEngine(engine, environment), _steps(settings))


def _classes(settings: RedactionSettings, document: Document) -> frozenset[str]:
    _check("on", settings.on, document)
    _check("off", settings.off, document)
    return (CLASSES - OFF_BY_DEFAULT | set(settings.on)) - set(settings.off)


def _check(key: str, names: Iterable[str], document: Document) -> None:
    for name in names:
        if name not in CLASSES:
            raise ConfigError(
                "no such class of secrets",
                key=f"redaction.{key}",
                found=name,
                allowed=", ".join(sorted(CLASSES)),
                source=document.source,
                line=document.line_of("redaction", key),
            )


def _pattern(entry: str, document: Document) -> ExtraPattern:
    try:
        return extra_pattern(entry)
    except PatternError as error:
        raise ConfigError(
            f"the pattern can't be used: {error}",
            key="redaction.patterns",
            found=entry,
            source=document.source,
            line=document.line_of("redaction", "patterns"),
        ) from error


def _steps(settings: RedactionSettings) -> list[Step]:
    steps: list[Step] = []
    if settings.pii:
        personal = PersonalData(settings.pii_entities, settings.pii_language, settings.pii_model)
        steps.append(("pii", personal))
    if settings.hook:
        steps.append(("hook", Hook(settings.hook)))
    return steps
