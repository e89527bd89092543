"""What a scan finds a line to be."""

BLANK, OTHER_ENVIRONMENT, ANONYMOUS, COUNTED, DUPLICATE, UNSURE = range(6)
"""Places in a tally. UNSURE where the reference reader is to decide."""

FULL = -2
"""Instead of a verdict: there is no room for the record."""
