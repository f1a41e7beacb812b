"""Which file is read."""

from pathlib import Path

from spanledger.config import Settings, find_file, load_settings, read_document


def test_the_file_of_the_working_folder_is_found(tmp_path: Path) -> None:
    """If there is one."""
    assert find_file({}, tmp_path) is None
    (tmp_path / "spanledger.toml").touch()
    assert find_file({}, tmp_path) == tmp_path / "spanledger.toml"


def test_the_named_file_wins_whether_or_not_it_exists(tmp_path: Path) -> None:
    """A missing one must be an error later, not silence."""
    (tmp_path / "spanledger.toml").touch()
    named = tmp_path / "other.toml"
    assert find_file({"SPANLEDGER_POLICY": f" {named} "}, tmp_path) == named
    assert find_file({"SPANLEDGER_POLICY": "  "}, tmp_path) == tmp_path / "spanledger.toml"


def test_a_tilde_is_the_home_folder(tmp_path: Path) -> None:
    """In a variable that no shell has expanded."""
    assert find_file({"SPANLEDGER_POLICY": "~/a.toml"}, tmp_path) == Path.home() / "a.toml"


def test_no_file_means_defaults() -> None:
    """And no error."""
    assert load_settings(read_document(None), environ={}) == Settings()
