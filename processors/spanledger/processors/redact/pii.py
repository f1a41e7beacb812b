"""Personal data, found by Presidio (the extra ``spanledger[pii]``).

Presidio takes seconds to import and about a thousand times as long for a text as our engine, so
it is loaded in the worker, when the first text comes. It is kept from the network: nothing is
downloaded, neither models nor lists of domains.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spanledger.config import ConfigError
from spanledger.processors.redact.cuts import Cut, apply, merge

_INSTALL = "install it with `pip install 'spanledger[pii]'`, or set redaction.pii = false"
#: Below this Presidio itself is in doubt; phone numbers without context have 0.4.
_MIN_SCORE = 0.4
#: Names of models, tools and services come again and again.
_REMEMBERED_LENGTH = 200
_SHORTEST = 5


class PersonalData:
    """Cuts personal data of the kinds `entities` (Presidio's names) out of texts.

    `model`: an installed spaCy model, or its folder, for names of people and places; without
    one there are the kinds that patterns find. Raises `ConfigError` if Presidio is not installed.
    """

    def __init__(self, entities: Sequence[str], language: str = "en", model: str | None = None):
        if find_spec("presidio_analyzer") is None:
            raise ConfigError(
                f"Presidio is not installed: {_INSTALL}", key="redaction.pii", found=True
            )
        self._entities, self._language, self._model = tuple(entities), language, model
        self._analyzer: Any = None
        self._short: Callable[[str], str] = lru_cache(maxsize=4096)(self._without)

    def __call__(self, text: str) -> str:
        """`text` with marks such as ``[redacted:email-address]``."""
        if len(text) < _SHORTEST:
            return text
        return self._short(text) if len(text) <= _REMEMBERED_LENGTH else self._without(text)

    def _without(self, text: str) -> str:
        if self._analyzer is None:
            self._analyzer = _analyzer(self._language, self._model)
        found = self._analyzer.analyze(
            text, self._language, entities=list(self._entities), score_threshold=_MIN_SCORE
        )
        cuts = [Cut(r.start, r.end, r.entity_type.lower().replace("_", "-")) for r in found]
        return apply(text, merge(cuts))


def _analyzer(language: str, model: str | None) -> Any:
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    models = [{"lang_code": language, "model_name": model or "blank"}]
    engine: Any = SpacyNlpEngine(models=models)
    # Not `engine.load()`: it downloads models that are missing, and takes the GPU.
    engine.nlp = {language: _language_model(language, model)}
    registry = RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language], nlp_engine=engine)
    registry.remove_recognizer("EmailRecognizer", language=language)
    registry.add_recognizer(_email_recognizer(language))
    return AnalyzerEngine(registry, engine, supported_languages=[language])


def _language_model(language: str, model: str | None) -> Any:
    import spacy

    if model is None:
        return spacy.blank(language)
    if not spacy.util.is_package(model) and not Path(model).exists():
        raise OSError(f"the spaCy model {model!r} is not installed")
    return spacy.load(model)


def _email_recognizer(language: str) -> Any:
    """Presidio's, but for the list of domains that it downloads: the one it brings is used."""
    from presidio_analyzer.predefined_recognizers import EmailRecognizer
    from tldextract import TLDExtract

    extract = TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmailRecognizer(EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            return bool(extract(pattern_text).fqdn)

    return OfflineEmailRecognizer(supported_language=language)
