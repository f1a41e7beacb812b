"""Small heaps for tests that collect garbage many times."""

import gc

import pytest


@pytest.fixture(autouse=True)
def small_heap() -> None:
    """What is there before a test is not looked at by its collections.

    The clients' models alone are 400,000 objects, a quarter of a second each time.
    """
    gc.freeze()
