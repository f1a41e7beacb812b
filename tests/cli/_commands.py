"""Every command by its path, and how its own help says that it is used."""

import shlex
from collections.abc import Iterator

import click

from spanledger.cli.reference import contexts, help_of

#: Every one of them, groups left out: ``usage stats`` and so on.
COMMANDS = {
    context.command_path.removeprefix("spanledger "): context
    for context in contexts()
    if not isinstance(context.command, click.Group)
}


def example(path: str) -> list[str]:
    """The words after ``spanledger`` in the example of its help."""
    _, _, text = help_of(COMMANDS[path]).partition("Example: spanledger ")
    return shlex.split(text.partition("\n\n")[0])


def has(path: str, option: str) -> bool:
    """Whether the command has this option."""
    return any(option in parameter.opts for parameter in COMMANDS[path].command.params)


def with_option(option: str) -> list[str]:
    """The commands that have it."""
    return [path for path in COMMANDS if has(path, option)]


def with_value(path: str, option: click.Option, value: str) -> list[str]:
    """The example, with this value for an option instead of what it had."""
    words, left = [], iter(example(path))
    for word in left:
        if word in option.opts:
            next(left)
        else:
            words.append(word)
    return [*words, option.opts[-1], value]


def with_text(path: str, parameter: click.Parameter, value: str) -> list[str]:
    """The example, with this value for an option, or for its first argument."""
    if isinstance(parameter, click.Option):
        return with_value(path, parameter, value)
    words = [word for word in example(path)[len(path.split()) :] if word != "--last"]
    rest = words[1:] if words and not words[0].startswith("-") else words
    return [*path.split(), value, *rest]


def texts(metavar: str = "") -> Iterator[tuple[str, click.Parameter]]:
    """Every parameter that takes a free text: its command and itself; of one metavar, if given."""
    for path, context in COMMANDS.items():
        for parameter in context.command.params:
            free = parameter.type.name == "text" and not getattr(parameter, "is_flag", False)
            if free and metavar in {"", parameter.metavar}:
                yield path, parameter
