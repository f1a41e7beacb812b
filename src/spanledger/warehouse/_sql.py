"""SQL files that lie in packages."""

from importlib.resources import files


def read_sql(package: str, name: str) -> str:
    """The text of ``name`` (``costs.sql``) in a package (``spanledger.analytics.sql``).

    Raises:
        FileNotFoundError: the package has no such file.
    """
    return files(package).joinpath(name).read_text(encoding="utf-8")


def read_all_sql(package: str, folder: str) -> list[tuple[str, str]]:
    """Name and text of every ``.sql`` file in a folder of a package."""
    found = files(package).joinpath(folder).iterdir()
    sources = (file for file in found if file.name.endswith(".sql"))
    return sorted((file.name, file.read_text(encoding="utf-8")) for file in sources)
