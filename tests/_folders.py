"""What the tests of a folder share ends when the worker leaves the folder.

That is what pytest's scope "package" means, but only where there is an `__init__.py`; elsewhere
such a fixture lives to the end of the session. A server is 400 MB, and there are many.
"""

from typing import Any

import pytest


class Folders:
    """A plugin, because the fixtures of a session do not ask the hooks of a conftest."""

    def __init__(self) -> None:
        self._shared: list[tuple[pytest.FixtureDef[Any], Any]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> None:
        if fixturedef.scope == "package":
            self._shared.append((fixturedef, request))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        if nextitem is None or nextitem.path.parent != item.path.parent:
            while self._shared:
                definition, request = self._shared.pop()
                definition.finish(request)
