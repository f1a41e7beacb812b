"""What is asked about is not there."""


class UnknownAction(LookupError):
    """No action has this id, or several begin with it; the text says what to do."""
