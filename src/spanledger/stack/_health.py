"""What `/health` says."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spanledger.health import vitals
from spanledger.stack._info import USER
from spanledger.stack._journal import Journal
from spanledger.stack.receiver import Receiver

_MAX_REASONS = 20


@dataclass(frozen=True, slots=True)
class Health:
    """Looks at the parts of one daemon."""

    data_dir: Path
    receiver: Receiver
    journal: Journal
    engine: str
    engine_version: str
    schema_version: int
    min_free_bytes: int

    @property
    def free_bytes(self) -> int:
        """What the disk of the data directory has left."""
        found = os.statvfs(self.data_dir)
        return found.f_bavail * found.f_frsize

    def problem(self) -> str | None:
        """Why requests are not taken now; None if they are."""
        if self.free_bytes < self.min_free_bytes:
            return f"the disk of {self.data_dir} has less than {self.min_free_bytes >> 20} MB left"
        return self.receiver.intake.stalled

    def report(self) -> dict[str, Any]:
        """The document."""
        intake, problem = self.receiver.intake, self.problem()
        last_s = intake.last_insert_s
        refused = sorted(self.receiver.refused.items(), key=lambda item: -item[1])
        return {
            "service": USER,
            "port": "otlp",
            "state": "ok" if problem is None else "not taking requests",
            "problem": problem,
            "engine": self.engine,
            "engine_version": self.engine_version,
            "schema_version": self.schema_version,
            "received": self.receiver.counts,
            "refused": dict(refused[:_MAX_REASONS]),
            "waiting": {
                "requests": intake.waiting_requests,
                "bytes": intake.budget.used_bytes,
                "journal_bytes": self.journal.size_bytes,
            },
            "inserts": intake.inserts,
            "last_insert_at": last_s and datetime.fromtimestamp(last_s, UTC).isoformat(),
            "disk_free_bytes": self.free_bytes,
            "process": vitals()._asdict(),
        }
