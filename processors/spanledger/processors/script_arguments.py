"""A program's arguments as they may be recorded: no secrets, no prose. Pure."""

from collections.abc import Sequence

from spanledger.track.plain import Redact, cut_text
from spanledger.track.secret_names import REDACTED, secrecy_of

MOST_ARGUMENTS = 50
_ARGUMENT_CHARS = 200


def shown_arguments(arguments: Sequence[str], redact: Redact, *, content: bool) -> list[str]:
    """The arguments, without the program's name.

    What an option's name calls a secret is hidden (``--api-key=…``, ``--token …``). What holds
    blanks is taken for something that a person wrote, a prompt: only its length is told, unless
    `content` is recorded.
    """
    shown: list[str] = []
    hide_next = False
    for argument in arguments[:MOST_ARGUMENTS]:
        is_option = argument.startswith("-")
        if hide_next and not is_option:
            shown.append(REDACTED)
            hide_next = False
            continue
        name, equals, value = argument.partition("=")
        secret = is_option and secrecy_of(name) != "open" and not value.isdecimal()
        hide_next = secret and not equals
        shown.append(
            f"{name}={REDACTED}" if secret and equals else _shown(argument, redact, content)
        )
    if len(arguments) > MOST_ARGUMENTS:
        shown.append(f"… {len(arguments) - MOST_ARGUMENTS} more")
    return shown


def _shown(argument: str, redact: Redact, content: bool) -> str:
    if not content and any(character.isspace() for character in argument):
        return f"<{len(argument)} characters>"
    return cut_text(argument, redact, _ARGUMENT_CHARS)
