"""Mermaid: a flow chart of what led to what. Pure."""

from collections.abc import Iterator

from spanledger.history.action import Action
from spanledger.history.chain import Link
from spanledger.history.documents._rows import why
from spanledger.history.texts import Texts

_LONGEST_LABEL = 120
_CLASSES = (
    "classDef success fill:#e6f4ea,stroke:#137333,color:#0d3d1c",
    "classDef completed fill:#e6f4ea,stroke:#137333,color:#0d3d1c",
    "classDef error fill:#fce8e6,stroke:#c5221f,color:#5f1412",
    "classDef incomplete fill:#fef7e0,stroke:#b06000,color:#4d2a00",
    "classDef partial fill:#fef7e0,stroke:#b06000,color:#4d2a00",
)
#: Rounded, box, double box …: what a node is, also without its colour.
_SHAPES = {
    "session": ("([", "])"),
    "agent": ("[[", "]]"),
    "operation": ("[/", "/]"),
    "tool": ("{{", "}}"),
    "call": ("[", "]"),
}


def mermaid(roots: list[Link], texts: Texts) -> str:
    """The chart; its nodes are numbered in their order."""
    lines = ["flowchart TD"]
    lines += [f"    {line}" for root in roots for line in _tree(root, texts, _numbers(roots))]
    if not roots:
        lines.append(f'    none["{label(texts.say("no_actions"))}"]')
    return "\n".join([*lines, *(f"    {each}" for each in _CLASSES), ""])


def _numbers(roots: list[Link]) -> dict[tuple[str, str], int]:
    identities = (action.identity for root in roots for _, action in root.walk())
    return {identity: number for number, identity in enumerate(identities, 1)}


def _tree(root: Link, texts: Texts, numbers: dict[tuple[str, str], int]) -> Iterator[str]:
    waiting = [root]
    while waiting:
        link = waiting.pop()
        number = numbers[link.action.identity]
        yield f"n{number}{_node(link.action, texts)}:::{link.action.status}"
        for each in link.below:
            yield f"n{number} --> n{numbers[each.action.identity]}"
        waiting.extend(reversed(link.below))


def _node(action: Action, texts: Texts) -> str:
    parts = [f"{texts.kind(action.kind)} {action.name}", texts.status(action.status)]
    if wrong := why(action):
        parts.append(wrong)
    opened, closed = _SHAPES[action.kind]
    return f'{opened}"{"<br/>".join(label(part) for part in parts)}"{closed}'


def label(text: str) -> str:
    """`text` inside a quoted label: Mermaid reads entities by number, and nothing else then."""
    short = " ".join(text.split())[:_LONGEST_LABEL]
    return "".join(c if c.isalnum() or c in " .,:;-_/()$%" else f"#{ord(c)};" for c in short)
