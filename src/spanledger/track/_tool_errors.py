"""What a tool of this program may raise beside its own errors and the guard's refusals."""


class ToolTimeout(TimeoutError):
    """A tool took longer than it may.

    One that is no coroutine function goes on in its thread: a thread can't be stopped.
    """

    def __init__(self, tool: str, timeout_s: float) -> None:
        self.tool, self.timeout_s = tool, timeout_s
        super().__init__(f"the tool {tool!r} gave nothing within {timeout_s:g} s")

    def __reduce__(self) -> tuple[type["ToolTimeout"], tuple[str, float]]:
        return type(self), (self.tool, self.timeout_s)


class PermissionDenied(PermissionError):
    """A tool of a higher level was called than is permitted here."""

    def __init__(self, tool: str, needed: str, permitted: str) -> None:
        self.tool, self.needed, self.permitted = tool, needed, permitted
        super().__init__(
            f"the tool {tool!r} needs the permission {needed!r}; here at most {permitted!r} is "
            f"permitted. Call it inside `permit({needed!r})`, where nothing narrower is around it."
        )

    def __reduce__(self) -> tuple[type["PermissionDenied"], tuple[str, str, str]]:
        return type(self), (self.tool, self.needed, self.permitted)


class UnknownTool(LookupError):
    """A registry has no tool of that name."""

    def __init__(self, tool: str, known: tuple[str, ...]) -> None:
        self.tool, self.known = tool, known
        super().__init__(f"there is no tool {tool!r}; there are {', '.join(known) or 'none'}")

    def __reduce__(self) -> tuple[type["UnknownTool"], tuple[str, tuple[str, ...]]]:
        return type(self), (self.tool, self.known)


class InvalidArguments(ValueError):
    """Arguments are not what the schema of a tool says."""

    def __init__(self, tool: str, reason: str) -> None:
        self.tool, self.reason = tool, reason
        super().__init__(f"arguments of the tool {tool!r}: {reason}")

    def __reduce__(self) -> tuple[type["InvalidArguments"], tuple[str, str]]:
        return type(self), (self.tool, self.reason)
