"""A Prefect flow that does nothing: `python -m tests.benchmarks.empty_flow`."""

from prefect import flow


@flow
def empty() -> None:
    """Do nothing."""


if __name__ == "__main__":
    empty()
