"""The engines and databases of the storage tests."""

from tests.warehouse.conftest import (  # noqa: F401 - fixtures are found by their names here
    embedded_url,
    server,
    warehouse,
    warehouse_url,
)
