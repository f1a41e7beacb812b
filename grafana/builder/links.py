"""Where a click leads. Every link keeps the time range, the data source and what is chosen."""

from typing import Any

from grafana.builder.model import PREFIX, Link

#: Choices that every dashboard with a filter has.
COMMON = ("service", "agent", "model")


def to(name: str, *, title: str, keep: tuple[str, ...] = COMMON, **values: str) -> Link:
    """A link to the dashboard `name` that sets the variables `values`.

    Args:
        name: The dashboard, without the prefix of its uid.
        title: What the click does, for the menu.
        keep: Variables that go along as they are here; those in `values` do not.
        values: What a variable becomes: Grafana's ``${…}``, percent-encoded by the caller.
    """
    parts = ["${__url_time_range}", "${datasource:queryparam}"]
    parts += [f"${{{each}:queryparam}}" for each in keep if each not in values]
    parts += [f"var-{key}={value}" for key, value in values.items()]
    return Link(title, f"/d/{PREFIX}{name}?{'&'.join(parts)}")


def cell(*links: Link) -> dict[str, Any]:
    """The property that makes a column's cells clickable."""
    return {
        "links": [{"targetBlank": False, "title": link.title, "url": link.url} for link in links]
    }


#: The value that was clicked, safe in a URL.
THIS = "${__value.raw:percentencode}"
#: The name of the series that was clicked.
SERIES = "${__field.labels.series:percentencode}"


def column(name: str) -> str:
    """The value of another column of the clicked row, safe in a URL."""
    return f'${{__data.fields["{name}"]:percentencode}}'
