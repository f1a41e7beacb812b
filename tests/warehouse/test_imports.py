"""What importing the room costs a process."""

import subprocess
import sys


def test_the_driver_is_not_imported_before_it_is_used() -> None:
    code = (
        "import sys, spanledger.warehouse; "
        "print([m for m in ('clickhouse_connect', 'chdb', 'numpy', 'urllib3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
