"""One part of the product a file; each offers `cases(stack)`, what is measured of it."""
