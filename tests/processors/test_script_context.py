"""What is told of the program that runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from spanledger.processors.git_revision import GitRevision, git_revision
from spanledger.processors.script_arguments import MOST_ARGUMENTS, shown_arguments
from spanledger.processors.script_context import ScriptContext, container_id_in, script_name

ID = "0123456789abcdef" * 4
REVISION = "a1" * 20


def shown(*arguments: str, content: bool = False) -> list[str]:
    return shown_arguments(arguments, lambda t: t.replace("sesame", "[gone]"), content=content)


def test_secrets_among_the_arguments_are_hidden() -> None:
    assert shown("--api-key", "k1", "--token=t1", "-v", "--password", "--dry-run") == [
        "--api-key", "[redacted]", "--token=[redacted]", "-v", "--password", "--dry-run",
    ]  # fmt: skip
    assert shown("--url=http://x/sesame") == ["--url=http://x/[gone]"]


def test_numbers_under_the_name_of_a_secret_are_shown() -> None:
    assert shown("--max-tokens", "40", "--token-limit=40") == [
        "--max-tokens", "40", "--token-limit=40",
    ]  # fmt: skip


def test_what_somebody_wrote_is_told_by_its_length() -> None:
    assert shown("write me a poem") == ["<15 characters>"]
    assert shown("write me a poem", content=True) == ["write me a poem"]


def test_arguments_are_bounded() -> None:
    found = shown(*(["x" * 10_000] * 100))
    assert len(found) == MOST_ARGUMENTS + 1
    assert all(len(argument) < 300 for argument in found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"0::/docker/{ID}\n", ID),
        (f"12:pids:/kubepods/besteffort/pod1/cri-containerd-{ID}.scope\n", ID),
        (f"1 2 0:3 / /etc/hosts rw - ext4 /var/lib/docker/containers/{ID}/hosts rw\n", ID),
        (f"1 2 0:3 / / rw - /run/containerd/sandboxes/{ID}/x\n", None),
        ("0::/init.scope\n", None),
    ],
)
def test_the_container_is_found_in_its_control_groups(text: str, found: str | None) -> None:
    assert container_id_in(text) == found


def _git(folder: Path, *arguments: str) -> str:
    """Git itself says what is right."""
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
        cwd=folder,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    _git(tmp_path, "init", "-q", "-b", "main")
    _git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    return tmp_path


def test_the_revision_is_the_one_that_git_names(repository: Path) -> None:
    """Loose, packed, detached, and from a folder below."""
    revision = _git(repository, "rev-parse", "HEAD")
    below = repository / "a" / "b"
    below.mkdir(parents=True)
    assert git_revision(below) == GitRevision(revision, "main")
    _git(repository, "pack-refs", "--all")
    assert git_revision(repository) == GitRevision(revision, "main")
    _git(repository, "checkout", "-q", "--detach")
    assert git_revision(repository) == GitRevision(revision, None)


def test_a_second_work_tree_has_its_own_branch(repository: Path, tmp_path: Path) -> None:
    _git(repository, "worktree", "add", "-q", "-b", "side/one", str(tmp_path / "tree"))
    found = git_revision(tmp_path / "tree")
    assert found == GitRevision(_git(repository, "rev-parse", "HEAD"), "side/one")


@pytest.mark.parametrize(
    "head", ["", "ref: refs/heads/none", "ref: ../../../etc/passwd", "\xff\x00", "ref:"]
)
def test_what_cannot_be_read_is_no_revision(tmp_path: Path, head: str) -> None:
    git = tmp_path / ".git"
    git.mkdir()
    (git / "HEAD").write_text(head, encoding="latin-1")
    assert git_revision(tmp_path) is None


def test_a_revision_that_is_none_is_not_told(tmp_path: Path) -> None:
    """A file of that name might hold anything."""
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main")
    (git / "refs" / "heads" / "main").write_text("hunter2")
    assert git_revision(tmp_path) is None


def test_the_facts_are_read_once_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ScriptContext(str)
    first = context()
    assert context() is first
    assert first["process.pid"] == os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: 4711)
    assert context()["process.pid"] == 4711


def test_a_fact_that_cannot_be_read_is_missing_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails() -> str:
        raise OSError("no name")

    monkeypatch.setattr("socket.gethostname", fails)
    found = ScriptContext(str)()
    assert "host.name" not in found
    assert "process.runtime.version" in found


def test_variables_that_are_not_named_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "staging")
    monkeypatch.setenv("SOMETHING_ELSE", "private")
    found = ScriptContext(str)()
    assert found["spanledger.script.environ.APP_ENV"] == "staging"
    assert "private" not in repr(found)


def test_a_module_that_runs_has_its_name() -> None:
    assert script_name()
