"""``python -m grafana.builder.alerts``: write the rules; ``--check``: say whether they are."""

import sys

from grafana.builder.alerts import FILE, GROUPS, rendered


def main(arguments: list[str]) -> str | None:
    """Why ``--check`` is not content; None if all is well."""
    text = rendered(GROUPS)
    if "--check" not in arguments:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        return f"{FILE} is not current: run python -m grafana.builder.alerts"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
