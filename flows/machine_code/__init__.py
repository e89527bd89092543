"""Functions as machine code: compiled by numba once, kept, and called without it."""
