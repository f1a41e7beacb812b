"""A celery application over a broker of files, for the workers of scenario 28."""

import os
from typing import Any

from celery import Celery  # type: ignore[import-untyped]  # has no types

from tests.scenarios import _span_programs


def app_in(folder: str) -> Any:
    """The application whose messages lie in a folder."""
    app = Celery("spans", broker="filesystem://")
    app.conf.broker_transport_options = {
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": f"{folder}-control",
    }
    return app


app = app_in(os.environ["CELERY_FOLDER"])
app.task(name="work")(_span_programs.work)
