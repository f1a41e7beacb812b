"""A function of the user's own that every text goes through."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from spanledger.config import ConfigError


class Hook:
    """The function at ``module:function``, imported when the first text comes.

    Not before: the module is the user's, and may not be ready while the process starts.
    Raises `ConfigError` if `path` is not of that form.
    """

    def __init__(self, path: str) -> None:
        module, colon, function = path.partition(":")
        if not (colon and _is_dotted(module) and _is_dotted(function)):
            raise ConfigError(
                "the function can't be named so",
                key="redaction.hook",
                found=path,
                allowed="`package.module:function`",
            )
        self._module, self._path = module, function
        self._function: Callable[[str], Any] | None = None

    def __call__(self, text: str) -> str:
        """What the function makes of `text`. Raises whatever it raises, and `TypeError`."""
        if self._function is None:
            self._function = self._load()
        made = self._function(text)
        if not isinstance(made, str):
            raise TypeError(f"it returned {type(made).__name__}, not str")
        return made

    def _load(self) -> Callable[[str], Any]:
        found: Any = import_module(self._module)
        for name in self._path.split("."):
            found = getattr(found, name)
        if not callable(found):
            raise TypeError(f"{self._path} of {self._module} is not a function")
        function: Callable[[str], Any] = found
        return function


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
