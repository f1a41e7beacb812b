"""What can be wrong with a configuration, said so that it can be mended."""


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
            parts.append(f" (found {self.found!r})")
        if self.allowed:
            parts.append(f"; allowed: {self.allowed}")
        return "".join(parts) + "."
