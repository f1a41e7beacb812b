"""PDF: the HTML, printed by a Chromium that is installed anyway."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)  # fmt: skip
_TIMEOUT_S = 60


class NoBrowser(Exception):
    """There is none that prints, or it did not; the text says what to do."""


def find_browser() -> str | None:
    """The path of a Chromium; None if none is installed."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def print_pdf(page: str) -> bytes:
    """The page as a PDF.

    Raises:
        NoBrowser: none is installed, or it printed nothing.
    """
    browser = find_browser()
    if browser is None:
        raise NoBrowser(
            "no Chromium is installed to print the PDF; install one, or write the HTML and print "
            "it with the browser you have"
        )
    with tempfile.TemporaryDirectory(prefix="spanledger-pdf-") as folder:
        return _printed(browser, page, Path(folder))


def _printed(browser: str, page: str, folder: Path) -> bytes:
    source, target = folder / "page.html", folder / "page.pdf"
    source.write_text(page, encoding="utf-8")
    # Chromium's sandbox can't be had as root, as in a container; the page is our own.
    root = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    command = [
        browser, *root, "--headless", "--disable-gpu", "--no-pdf-header-footer",
        f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={target}", source.as_uri(),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoBrowser(f"{browser} did not print the PDF: {error}") from error
    if not target.exists():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise NoBrowser(f"{browser} did not print the PDF: {last}")
    return target.read_bytes()
