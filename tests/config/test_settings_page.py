"""`docs/settings.md` is printed from the table of settings."""

from spanledger.config import settings_table
from spanledger.config.settings import SECTIONS
from tests.config._pages import hold_current

HEAD = """# Settings

Every setting can stand in `spanledger.toml` (`section.name` is `name` in the table
`[section]`), in the environment, or in code (`install(overrides={"section.name": value})`).
Code beats the environment, the environment beats the file, the file beats the default.

This page is printed from the code and held to it by a test.

"""


def test_the_page_of_settings_is_current() -> None:
    """What the page says is what the loader reads."""
    hold_current("settings.md", HEAD + settings_table())


def test_the_table_has_a_row_for_each_setting_and_one_for_the_file() -> None:
    """Four columns each, none of them empty."""
    rows = settings_table().splitlines()[2:]
    count = sum(len(cls.__dataclass_fields__) for cls in SECTIONS.values())
    assert len(rows) == count + 1
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 4
        assert all(cells)
