"""Tell a story to a ClickHouse of its own, and draw every dashboard's picture from its answers."""

import argparse
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grafana.builder import dashboards
from grafana.preview.inputs import View, inputs
from grafana.preview.pictures import build, draw
from grafana.preview.story import nested_trace, told
from grafana.preview.telling import tell
from tests._engines import ClickHouseServer
from tests.grafana import _seed

from spanledger.warehouse import Warehouse, connect, migrate

PICTURES = Path(__file__).parents[2] / "docs" / "pictures" / "dashboards"
_CODING_TURNS = 10 * 24 * 3


def prepare(warehouse: Warehouse, end: datetime) -> View:
    """Fill an empty database, and pick what is shown of it: the runaway's session, and a trace."""
    migrate(warehouse)
    story = told(end)
    _seed.coding_agents(warehouse, end, _CODING_TURNS)
    tell(warehouse, story)
    runaway = story.said[-1].session
    texts = {"session": {"session": runaway}, "traces": {"trace": nested_trace(story)}}
    return View(end, texts, {"session": "now-2h", "traces": "now-2h"})


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m grafana.preview", description=__doc__)
    parser.add_argument("names", nargs="*", help="dashboards, as `overview`; none: all of them")
    parser.add_argument("--into", type=Path, default=PICTURES, help="folder of the pictures")
    chosen = parser.parse_args(arguments)
    build()
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = ClickHouseServer(folder / "clickhouse").start()
        try:
            with connect(server.url()) as warehouse:
                view = prepare(warehouse, end)
                for dashboard in dashboards():
                    if not chosen.names or dashboard.name in chosen.names:
                        picture = chosen.into / f"{dashboard.uid}.png"
                        draw(inputs(dashboard, view, warehouse.query), picture, folder)
                        sys.stdout.write(f"{picture} {picture.stat().st_size // 1024} KB\n")
        finally:
            server.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
