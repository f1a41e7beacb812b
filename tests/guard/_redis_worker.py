"""A process of the multi-process tests; arguments: URL, directory, prefix, seed.

Reserves its upper bound, uses a random part of it, until the budget has no room. Prints what it
settled, the crossings it was told, and the most that it ever saw spent and reserved.
"""

import json
import sys
from pathlib import Path
from random import Random

from spanledger.guard.ledger import Crossing, Demand, Key
from spanledger.guard.stores.redis import RedisStore

KEY, OTHER = Key("daily", "", 0), Key("hourly", "", 0)
LIMIT, ASK = 3000, 50
MARKS = (LIMIT * 8 // 10, LIMIT * 9 // 10, LIMIT * 95 // 100)


def main() -> None:
    url, directory, prefix, seed = sys.argv[1:]
    store = RedisStore(url, directory=Path(directory), prefix=prefix, timeout_s=10.0)
    random, told = Random(seed), list[Crossing]()
    store.on_crossed(told.append)
    settled, highest, attempt = 0, 0, 0
    demands = [Demand(key, "cost", LIMIT, ASK, MARKS if key == KEY else ()) for key in (KEY, OTHER)]
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        rid, attempt = f"{seed}/{attempt}", attempt + 1
        grant = store.reserve(rid, demands, lease_s=600.0, max_wait_s=30.0)
        if grant.shortage is not None:
            break
        used = random.randint(ASK // 10, ASK)
        store.settle(rid, lambda _entry, used=used: used)  # type: ignore[misc]  # binds the loop's value
        settled += used
        print(used, flush=True)
        counter = store.read(KEY)
        highest = max(highest, counter.spent + counter.reserved)
    store.close()
    kind = grant.shortage.kind
    marks = [crossing.mark for crossing in told]
    print(json.dumps({"settled": settled, "highest": highest, "kind": kind, "told": marks}))


if __name__ == "__main__":
    main()
