"""From inputs to pictures: the page's script is built by esbuild and drawn by Chromium."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WEB = Path(__file__).parent / "web"
"""The page's sources, and after `build` its script."""

WIDTH = 1600
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_TIMEOUT_S = 120


class PreviewUnavailable(Exception):
    """This machine lacks what draws; the message says what to install."""


def browser() -> str:
    """The command of a Chromium.

    Raises:
        PreviewUnavailable: there is none on the PATH.
    """
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        raise PreviewUnavailable(
            "No Chromium on the PATH draws the pictures: apt-get install chromium"
        )
    return found


def build() -> None:
    """Install Grafana's libraries as package-lock.json has them, and make the page's script.

    Raises:
        PreviewUnavailable: there is no npm.
        subprocess.CalledProcessError: npm or esbuild failed; what they say is on the terminal.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise PreviewUnavailable("No npm on the PATH: install Node.js 20 or newer")
    installed = WEB / "node_modules" / ".package-lock.json"
    lock = WEB / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=WEB, check=True)
    subprocess.run([npm, "run", "--silent", "build"], cwd=WEB, check=True)


def page(inputs: Mapping[str, Any]) -> str:
    """The page that draws `inputs` when it is opened beside the built script."""
    # A message in the data must not end the script.
    data = json.dumps(inputs, ensure_ascii=False).replace("</", "<\\/")
    return (
        '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="main.css">'
        f'<div id="root"></div><script>window.preview = {data}</script>'
        '<script src="main.js"></script>'
    )


def height(inputs: Mapping[str, Any]) -> int:
    """Pixels that the page takes: a head, and the panels on Grafana's grid of 30 + 8 pixels."""
    grids = [panel["gridPos"] for panel in inputs["dashboard"]["panels"]]
    rows: int = max(grid["y"] + grid["h"] for grid in grids)
    return 104 + 38 * rows


def draw(inputs: Mapping[str, Any], picture: Path, folder: Path) -> None:
    """Draw `inputs` into the PNG `picture`, by way of files in `folder`.

    Raises:
        PreviewUnavailable: there is no Chromium, or it made no picture.
    """
    for name in ("main.js", "main.css"):
        shutil.copy(WEB / "dist" / name, folder / name)
    source = folder / f"{picture.stem}.html"
    source.write_text(page(inputs), encoding="utf-8")
    command = [
        browser(), "--headless=new", "--disable-gpu", "--hide-scrollbars",
        "--disable-lcd-text",
        "--force-device-scale-factor=1", "--force-color-profile=srgb",
        "--virtual-time-budget=8000", "--allow-file-access-from-files",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={WIDTH},{height(inputs)}",
        f"--screenshot={picture}", source.as_uri(),
    ]  # fmt: skip
    if os.geteuid() == 0:
        # Chromium's sandbox refuses to run as root; the page is ours and on this disk.
        command.insert(1, "--no-sandbox")
    picture.unlink(missing_ok=True)
    picture.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if not picture.exists():
        raise PreviewUnavailable(f"Chromium made no picture of {source}: {done.stderr[-500:]}")
