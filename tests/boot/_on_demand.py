"""An agent that makes one call for each line on its input, and says what became of it."""

import sys

from tests.boot._agent import outcomes


def main() -> None:
    for line in sys.stdin:
        if line.strip() == "reload":
            _reload()
        else:
            print(outcomes(1)[0], flush=True)


def _reload() -> None:
    from spanledger.guard import reload

    try:
        reload()
    except Exception as error:  # noqa: BLE001 - its type is the result
        print(type(error).__name__, flush=True)
    else:
        print("reloaded", flush=True)


if __name__ == "__main__":
    if "--with-code" in sys.argv:
        from spanledger.guard import Budget, Policy
        from spanledger.instrumentation import install

        install(policy=Policy((Budget("own", "calls", 3),)))
    main()
