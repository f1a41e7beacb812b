"""CPU of asking a breaker and of reporting to it, through the registry and its lock.

    python benchmarks/micro_breaker.py

Prints microseconds for each operation (best of several rounds, all operations interleaved, so
that a slow moment of the machine hits them alike) beside its target. Exits with 1 if one is missed.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

from spanledger.guard.breaker import Permit
from spanledger.guard.breaker_rule import BreakerRule, model_target
from spanledger.guard.breakers import Breakers

ROUNDS = 15
REPEATS = 5000
RULE = BreakerRule("benchmark")


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[], object]
    target_us: float


def operations() -> list[Operation]:
    return [
        Operation("admitted check", _admitted(1), 2.0),
        Operation("admitted check, one of 1000 breakers", _admitted(1000), 2.0),
        Operation("admitted check and report", _pair(), 4.0),
        Operation("refused check, open", _refused(), 4.0),
    ]


def _admitted(count: int) -> Callable[[], object]:
    breakers = Breakers()
    for number in range(count):
        breakers.acquire(model_target("openai", f"model-{number}"), RULE)
    # The target is made anew, as it is for each call.
    return lambda: breakers.acquire(model_target("openai", "model-0"), RULE)


def _pair() -> Callable[[], object]:
    breakers = Breakers()

    def pair() -> None:
        permit = breakers.acquire(model_target("openai", "gpt-4o"), RULE)
        assert isinstance(permit, Permit)
        breakers.report(permit, "ok")

    return pair


def _refused() -> Callable[[], object]:
    breakers, target = Breakers(lambda: 0.0), model_target("openai", "gpt-4o")
    for _ in range(RULE.min_calls):
        permit = breakers.acquire(target, RULE)
        assert isinstance(permit, Permit)
        breakers.report(permit, "failed")
    return lambda: breakers.acquire(target, RULE)


def one_round(run: Callable[[], object]) -> float:
    start = time.process_time()
    for _ in range(REPEATS):
        run()
    return (time.process_time() - start) / REPEATS * 1e6


def main() -> int:
    todo = operations()
    best = {operation.name: float("inf") for operation in todo}
    gc.disable()
    for _ in range(ROUNDS):
        for operation in todo:
            best[operation.name] = min(best[operation.name], one_round(operation.run))
    for operation in todo:
        measured, target = best[operation.name], operation.target_us
        verdict = "ok" if measured <= target else "MISSED"
        print(f"{operation.name:40} {measured:7.2f} us   target {target:5.1f} us   {verdict}")
    return int(any(best[o.name] > o.target_us for o in todo))


if __name__ == "__main__":
    raise SystemExit(main())
