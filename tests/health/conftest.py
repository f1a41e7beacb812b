"""Each test begins with no operation recorded."""

from collections.abc import Iterator

import pytest

from spanledger.health._operations import the_operations


@pytest.fixture(autouse=True)
def no_operations() -> Iterator[None]:
    the_operations.reset()
    yield
    the_operations.reset()
