"""Numbers in sentences."""


def count_of(number: int, noun: str) -> str:
    """Such as `1 log object` or `2,000 log objects`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
