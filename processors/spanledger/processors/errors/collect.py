"""Everything that is known of an error at this moment, as JSON texts of bounded size."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from opentelemetry.trace import Span

from spanledger import semconv
from spanledger.health.usage import read_usage
from spanledger.processors.errors.chain import Link, link_entry
from spanledger.processors.errors.frames import Site, callers, short, sites_of
from spanledger.processors.errors.path import path_to
from spanledger.processors.errors.resources import resources
from spanledger.processors.errors.sizes import Sizes, encoded, fitting, fitting_names
from spanledger.processors.errors.source import source_around
from spanledger.processors.errors.variables import is_content, variables_of
from spanledger.processors.nodes import Node
from spanledger.track import Snapshot, recent_snapshots
from spanledger.track.plain import Limits, Redact, plain

#: Frames that are told with source and variables: of the error itself, of each one behind it.
_FRAMES_OF_HEAD, _FRAMES_BEHIND, _MOST_FRAMES = 6, 3, 12
#: After so many seconds variables are told by kind and size.
_VARIABLES_S = 0.0015
_DETAILS = Limits(depth=4, items=20, text_chars=300, values=100, chars=2000)


class Options(Protocol):
    """What of it is wanted."""

    @property
    def locals(self) -> bool: ...
    @property
    def source(self) -> bool: ...
    @property
    def content(self) -> bool: ...


def head_sites(error: BaseException) -> list[Site]:
    """The places that an exception went through, the outermost first.

    If it has not come out of the libraries yet (a model call fails below the client's own
    frames), or was never raised, the application's frames are those that wait for it.
    """
    sites = sites_of(error.__traceback__)
    return sites if any(site.is_application for site in sites) else [*callers(), *sites]


class Collector:
    """Reads exceptions, frames and the process. What it returns is text and holds nothing."""

    def __init__(self, redact: Redact, options: Options, folder: Callable[[], str]) -> None:
        self._redact = redact
        self._options = options
        self._folder = folder

    def exception(
        self,
        span: Span,
        node: Node | None,
        links: Sequence[Link],
        head: list[Site],
        details: Mapping[str, Any],
    ) -> dict[str, str]:
        """The context of an exception, by the names of the attributes; `head`: its places."""
        sizes = _sizes(span)
        folder = self._folder()
        sites = [head, *(sites_of(link.error.__traceback__) for link in links[1:])]
        chain = [
            link_entry(link, self._redact, of[-1].place(folder) if of else None)
            for link, of in zip(links, sites, strict=True)
        ]
        found = {semconv.ERROR_CHAIN: fitting(chain, sizes.chain)}
        if chosen := _chosen(sites):
            found |= self._frames(chosen, folder, sizes)
        if details:
            copy = plain(dict(details), self._redact, _DETAILS)
            found[semconv.ERROR_DETAILS] = encoded(fitting_names(copy, sizes.details))
        return found | self.around(span, node)

    def around(self, span: Span, node: Node | None) -> dict[str, str]:
        """What led to a failure, and what the process used when it came."""
        sizes = _sizes(span)
        found: dict[str, str] = {}
        if node is not None:
            path = path_to(node, time.time_ns(), self._redact)
            found[semconv.ERROR_PATH] = fitting(path, sizes.path)
        before = node.session_baseline() if node is not None else None
        found[semconv.ERROR_RESOURCES] = encoded(resources(read_usage(), before))
        if taken := recent_snapshots(span):
            entries = [_snapshot_entry(one) for one in reversed(taken)]
            found[semconv.ERROR_SNAPSHOTS] = fitting(entries, sizes.snapshots)
        return found

    def _frames(
        self, chosen: Sequence[tuple[int, Site]], folder: str, sizes: Sizes
    ) -> dict[str, str]:
        frames = [self._frame(number, site, folder) for number, site in chosen]
        found = {semconv.ERROR_FRAMES: fitting(frames, sizes.frames)}
        if self._options.locals:
            found[semconv.ERROR_LOCALS] = fitting(self._locals(chosen, sizes.locals), sizes.locals)
        return found

    def _frame(self, number: int, site: Site, folder: str) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "error": number,
            "file": short(site.code.co_filename, folder),
            "line": site.line,
            "function": site.code.co_qualname,
        }
        if site.repeated > 1:
            entry["repeated"] = site.repeated
        if self._options.source and (lines := source_around(site, self._redact)):
            entry["source"] = lines
        return entry

    def _locals(self, chosen: Sequence[tuple[int, Site]], most: int) -> list[dict[str, Any]]:
        """The variables of each frame, in the frames' order; the first are the closest."""
        shapes = None if self._options.content else is_content
        until = time.perf_counter() + _VARIABLES_S
        found: list[dict[str, Any]] = []
        left, seen = most, set[int]()
        for number, (_error, site) in enumerate(chosen):
            if id(site.frame) in seen:  # cause and effect in one function
                continue
            seen.add(id(site.frame))
            names = variables_of(
                site.frame, self._redact, shapes, lambda: time.perf_counter() < until
            )
            names = fitting_names(names, min(left, most // 2) - 60)
            if names:
                found.append({"frame": number, "variables": names})
                left -= len(encoded(found[-1]).encode()) + 1
        return found


def _chosen(sites: Sequence[Sequence[Site]]) -> list[tuple[int, Site]]:
    """The application's frames with the number of their error, the innermost first."""
    chosen: list[tuple[int, Site]] = []
    for number, places in enumerate(sites):
        own = [site for site in reversed(places) if site.is_application]
        most = _FRAMES_OF_HEAD if number == 0 else _FRAMES_BEHIND
        chosen += [(number, site) for site in own[:most]]
    return chosen[:_MOST_FRAMES]


def _snapshot_entry(taken: Snapshot) -> dict[str, Any]:
    return {
        "label": taken.label,
        "age_s": round(max(0.0, time.time() - taken.at_s), 3),
        **({"state": taken.state} if taken.first else {"changes": list(taken.changes)}),
    }


def _sizes(span: Span) -> Sizes:
    limits = getattr(span, "_limits", None)
    return Sizes().at_most(getattr(limits, "max_attribute_length", None))
