"""The revision that a program was run from, read from git's own files; no process is started."""

import re
from pathlib import Path
from typing import NamedTuple

_MOST_LEVELS = 20
_LARGEST_BYTES = 1024 * 1024
_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class GitRevision(NamedTuple):
    """What is checked out. `branch` is None if no branch is."""

    revision: str
    branch: str | None


def git_revision(folder: Path) -> GitRevision | None:
    """The revision of the work tree around `folder`; None if there is none, or none can be read."""
    try:
        return _read(folder)
    except (OSError, ValueError):
        return None


def _read(folder: Path) -> GitRevision | None:
    git = _git_folder(folder)
    if git is None:
        return None
    head = _text(git / "HEAD").strip()
    if not head.startswith("ref:"):
        return GitRevision(head, None) if _REVISION.fullmatch(head) else None
    reference = head[4:].strip()
    revision = _revision_of(git, reference)
    branch = reference.removeprefix("refs/heads/")
    return GitRevision(revision, branch) if revision is not None else None


def _git_folder(folder: Path) -> Path | None:
    for level in [folder, *folder.parents][:_MOST_LEVELS]:
        git = level / ".git"
        if git.is_dir():
            return git
        if git.is_file():
            # A work tree or a submodule: the file says where the rest is.
            target = _text(git).strip().removeprefix("gitdir:").strip()
            return (level / target).resolve()
    return None


def _revision_of(git: Path, reference: str) -> str | None:
    common = git / "commondir"
    shared = (git / _text(common).strip()).resolve() if common.is_file() else git
    for place in (git, shared):
        loose = place / reference
        if ".." not in reference and loose.is_file():
            found = _text(loose).strip()
            return found if _REVISION.fullmatch(found) else None
    packed = shared / "packed-refs"
    return _in_packed(_text(packed), reference) if packed.is_file() else None


def _in_packed(text: str, reference: str) -> str | None:
    for line in text.splitlines():
        revision, _, name = line.partition(" ")
        if name == reference and _REVISION.fullmatch(revision):
            return revision
    return None


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LARGEST_BYTES).decode("utf-8", "replace")
