"""What `install()` adds to the start of an agent, beyond OpenTelemetry's own.

Medians of fresh processes, as `benchmarks/startup.py` takes them.
"""

from contextlib import ExitStack

from benchmarks import startup
from benchmarks.micro.case import Case


def cases(_stack: ExitStack) -> list[Case]:
    grown_mib = 0.0

    def cpu_ms() -> float:
        nonlocal grown_mib
        base, ours = startup.run(""), startup.run(startup.INSTALL)
        grown_mib = ours[1] - base[1]
        return ours[0] - base[0]

    return [
        Case("install()", cpu_ms, startup.TARGET_CPU_MS, "ms", True, most_rounds=7),
        Case("memory after install()", lambda: grown_mib, 15, "MiB", True, "size", most_rounds=7),
    ]
