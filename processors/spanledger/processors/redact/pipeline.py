"""What every text goes through on its way out: our engine, personal data, the user's hook."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from spanledger.processors.redact.cuts import Cut, mark
from spanledger.processors.redact.engine import Engine
from spanledger.processors.redact.environment import EnvironmentSecrets

_log = logging.getLogger("spanledger.redaction")

#: A further step: its name, and what it makes of a text.
Step = tuple[str, Callable[[str], str]]


class Failures:
    """Counts the texts that were dropped, by the step that failed for them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, step: str, error: Exception) -> None:
        """Count, and say once. Not what the error says: that may be the text itself."""
        if not self._counts[step]:
            _log.error(
                "the step %r of the redaction failed (%s); what it fails for is dropped and "
                "counted, and this is not said again",
                step,
                type(error).__name__,
            )
        self._counts[step] += 1

    def counts(self) -> Mapping[str, int]:
        """How many, by step: ``engine``, ``hook``, ``pii``."""
        return dict(self._counts)


class LiveEngine:
    """The engine with the secrets that the environment holds by now. Fast, for any thread."""

    def __init__(self, engine: Engine, environment: EnvironmentSecrets) -> None:
        self._engine = engine
        self._environment = environment
        self.failures = Failures()

    def __call__(self, text: str) -> str:
        """`text` without secrets; a mark alone if it can't be searched."""
        try:
            return self._current()(text)
        except Exception as error:  # noqa: BLE001 - a text that can't be searched does not leave
            self.failures.note("engine", error)
            return mark("engine-failed")

    def find(self, text: str) -> list[Cut]:
        """Where the secrets are; all of the text if it can't be searched."""
        try:
            return self._current().find(text)
        except Exception as error:  # noqa: BLE001 - the same
            self.failures.note("engine", error)
            return [Cut(0, len(text), "engine-failed")]

    def named(self, name: str) -> str | None:
        """The class of what is called `name`; None if that is no name of a secret."""
        return self._engine.named(name)

    def _current(self) -> Engine:
        if (secrets := self._environment.changed()) is not None:
            self._engine = self._engine.with_secrets(secrets)
        return self._engine


class Pipeline:
    """The engine, and the steps behind it. A step that fails costs the text, never the export.

    What a step makes of a text goes through the engine again: no step brings a secret back.
    """

    def __init__(self, engine: LiveEngine, steps: Sequence[Step] = ()) -> None:
        self.engine = engine
        """The first step alone: cheap enough for the threads of the program."""
        self._steps = tuple(steps)

    def __call__(self, text: str) -> str:
        """`text` without secrets; a mark alone if one of the steps failed."""
        clean = self.engine(text)
        for name, step in self._steps:
            made = self._attempt(name, step, clean)
            clean = made if made == clean else self.engine(made)
        return clean

    def find(self, text: str) -> list[Cut]:
        """Where the engine sees secrets."""
        return self.engine.find(text)

    def named(self, name: str) -> str | None:
        """The class of what is called `name`; None if that is no name of a secret."""
        return self.engine.named(name)

    def failures(self) -> Mapping[str, int]:
        """How many texts were dropped, by the step that failed: ``engine``, ``hook``, ``pii``."""
        return self.engine.failures.counts()

    def _attempt(self, name: str, step: Callable[[str], str], text: str) -> str:
        try:
            return step(text)
        except Exception as error:  # noqa: BLE001 - foreign code; the export must go on
            self.engine.failures.note(name, error)
            return mark(f"{name}-failed")
