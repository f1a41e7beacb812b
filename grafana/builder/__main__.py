"""Write the dashboards' JSON, or with ``--check`` say which files are not current."""

import argparse
import sys

from grafana.builder import FOLDER, dashboards, file_of, written


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m grafana.builder", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; 1: not current")
    check = parser.parse_args(arguments).check
    wanted = {file_of(dashboard): written(dashboard) for dashboard in dashboards()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    stale += [path for path in FOLDER.glob("*.json") if path not in wanted]
    for path in stale:
        sys.stdout.write(f"{'not current' if check else 'written'}: {path.name}\n")
        if not check and path in wanted:
            path.write_text(wanted[path])
        elif not check:
            path.unlink()
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
