"""The verbs of `spanledger usage`, one a file."""
