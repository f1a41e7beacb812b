"""What a program raises to say that an answer, though it came, is of no use."""


class InvalidAnswer(Exception):
    """An answer is not what was asked for: broken JSON, a field that is missing.

    `schema`: what it should have been, as a JSON schema or in words, for the next try.
    """

    def __init__(self, reason: str, *, schema: object = None) -> None:
        self.reason, self.schema = reason, schema
        super().__init__(reason)


class InvalidToolArguments(Exception):
    """The model called a tool with arguments that the tool refuses."""

    def __init__(self, tool: str, reason: str) -> None:
        self.tool, self.reason = tool, reason
        super().__init__(f"arguments of the tool {tool!r}: {reason}")
