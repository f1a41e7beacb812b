"""What runs: script, arguments, environment, revision, versions, host; once for each process.

Read in the export worker when the first span is sent: nobody's start or call waits for it.
"""

import os
import platform
import re
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from spanledger import semconv
from spanledger.processors.git_revision import git_revision
from spanledger.processors.script_arguments import shown_arguments
from spanledger.track.plain import Redact, cut_text

#: Variables that say where and as what a program runs. None of them is anybody's secret.
ENVIRON_FACTS = (
    "APP_ENV", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION", "CI",
    "CONDA_DEFAULT_ENV", "DJANGO_SETTINGS_MODULE", "DYNO", "ENV", "ENVIRONMENT", "FLASK_ENV",
    "FLY_APP_NAME", "GITHUB_ACTIONS", "GITHUB_RUN_ID", "K_SERVICE", "LANG", "NODE_ENV",
    "PYTHONOPTIMIZE", "TZ",
)  # fmt: skip

#: Module and distribution of the libraries whose version explains a failure.
_LIBRARIES = {
    "agents": "openai-agents",
    "anthropic": "anthropic",
    "botocore": "botocore",
    "cohere": "cohere",
    "crewai": "crewai",
    "google.genai": "google-genai",
    "groq": "groq",
    "httpx": "httpx",
    "langchain": "langchain",
    "langchain_core": "langchain-core",
    "langgraph": "langgraph",
    "litellm": "litellm",
    "mcp": "mcp",
    "mistralai": "mistralai",
    "ollama": "ollama",
    "openai": "openai",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "pydantic": "pydantic",
    "pydantic_ai": "pydantic-ai",
    "smolagents": "smolagents",
    "spanledger": "spanledger",
    "tiktoken": "tiktoken",
}
_FACT_CHARS = 200
_CONTAINER_ID = re.compile(r"(?:^|[/:.-])([0-9a-f]{64})(?:\.scope)?(?=$|[/\s])")


class ScriptContext:
    """The facts of this process as resource attributes; read at first need.

    `environ`: more variables to record, by name. No method raises.
    """

    def __init__(
        self, redact: Redact, environ: tuple[str, ...] = (), *, content: bool = False
    ) -> None:
        self._redact = redact
        self._names = (*ENVIRON_FACTS, *environ)
        self._content = content
        self._known: tuple[int, Mapping[str, Any]] | None = None

    def __call__(self) -> Mapping[str, Any]:
        """The attributes: the same object as long as the process is the same."""
        pid = os.getpid()
        known = self._known
        if known is None or known[0] != pid:
            known = self._known = (pid, self._read(pid))
        return known[1]

    def _read(self, pid: int) -> dict[str, Any]:
        found: dict[str, Any] = {"process.pid": pid}
        parts: tuple[Callable[[], Mapping[str, Any]], ...] = (
            _python, _host, _revision, _libraries, self._script, self._environ,
        )  # fmt: skip
        for read in parts:
            with suppress(Exception):  # a part that can't be read is missing, and no more
                found |= read()
        return found

    def _script(self) -> dict[str, Any]:
        arguments = list(getattr(sys, "argv", ()))
        found: dict[str, Any] = {}
        if name := script_name():
            found[semconv.SCRIPT_NAME] = cut_text(name, self._redact, _FACT_CHARS)
        if shown := shown_arguments(arguments[1:], self._redact, content=self._content):
            found[semconv.SCRIPT_ARGUMENTS] = shown
        return found

    def _environ(self) -> dict[str, str]:
        return {
            semconv.SCRIPT_ENVIRON_PREFIX + name: cut_text(value, self._redact, _FACT_CHARS)
            for name in self._names
            if (value := os.environ.get(name))
        }


def script_name() -> str | None:
    """File name of the script, or ``-m module``; None of an interactive interpreter."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return f"-m {spec.name.removesuffix('.__main__')}"
    path = getattr(main, "__file__", None) or (sys.argv[0] if sys.argv else "")
    return os.path.basename(path) or None


def _python() -> dict[str, str]:
    return {
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
    }


def _host() -> dict[str, str]:
    found = {
        "host.name": socket.gethostname(),
        "host.arch": platform.machine().lower(),
        "os.type": sys.platform,
    }
    if container := container_id():
        found["container.id"] = container
    return found


def container_id() -> str | None:
    """The id of the container around this process, from the control groups or mounts."""
    for name in ("/proc/self/cgroup", "/proc/self/mountinfo"):
        with suppress(OSError), open(name, encoding="utf-8", errors="replace") as file:
            if found := container_id_in(file.read(65536)):
                return found
    return None


def container_id_in(text: str) -> str | None:
    """The first container id in a cgroup or mountinfo file. Pure."""
    for line in text.splitlines():
        if "/sandboxes/" not in line and (match := _CONTAINER_ID.search(line)):
            return match[1]
    return None


def _revision() -> dict[str, str]:
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    found = git_revision(Path(path).resolve().parent if path else Path.cwd())
    if found is None:
        return {}
    branch = {"vcs.ref.head.name": found.branch} if found.branch else {}
    return {"vcs.ref.head.revision": found.revision, **branch}


def _libraries() -> dict[str, list[str]]:
    """Versions of what is loaded now; looking for all that is installed would take long."""
    found = []
    for module, name in _LIBRARIES.items():
        if module in sys.modules:
            with suppress(metadata.PackageNotFoundError):
                found.append(f"{name}=={metadata.version(name)}")
    return {semconv.SCRIPT_LIBRARIES: found} if found else {}
