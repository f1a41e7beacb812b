"""``python -m spanledger.cli``: the same as ``spanledger``."""

import sys

from spanledger.cli import main

sys.exit(main())
