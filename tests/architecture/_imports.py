"""What every module of the package imports from where, read from its syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROOTS = tuple(REPOSITORY / name for name in ("src", "instrumentation", "processors"))


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of ours: its dotted name and its file."""
    for root in ROOTS:
        for path in sorted((root / "spanledger").rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), path


def rooms() -> list[Path]:
    """The folder of every room."""
    return sorted(
        path
        for root in ROOTS
        for path in (root / "spanledger").iterdir()
        if path.is_dir() and (path / "__init__.py").exists()
    )


def room_of(module: str) -> str:
    """``guard`` of ``spanledger.guard.stores.memory``."""
    return module.split(".")[1]


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a file imports, also inside of functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def public_names(path: Path) -> list[str] | None:
    """What a module lists in ``__all__``; None if it has none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return None
