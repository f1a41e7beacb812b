"""What can be wrong with a configuration, said so that it can be mended."""

import re

#: ``user:password@`` of an address; the error is logged, and stands in refusals.
_USER_INFO = re.compile(r"(?<=://)[^\s/?#@]*@")


class ConfigError(ValueError):
    """A setting or a rule that can't be used. Names where it stands, what it holds, what may."""

    def __init__(
        self,
        problem: str,
        *,
        key: str,
        found: object = None,
        allowed: str = "",
        source: str = "",
        line: int | None = None,
    ) -> None:
        self.problem = problem
        self.key = key
        self.found = found
        self.allowed = allowed
        self.source = source
        self.line = line
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        where = self.source + (f", line {self.line}" if self.line else "")
        parts = [f"{where}: " if where else "", f"{self.key}: {self.problem}"]
        if self.found is not None:
            parts.append(f" (found {_shown(self.found)})")
        if self.allowed:
            parts.append(f"; allowed: {self.allowed}")
        return "".join(parts) + "."


def _shown(found: object) -> str:
    """What was found, without passwords."""
    return _USER_INFO.sub("***@", repr(found))
