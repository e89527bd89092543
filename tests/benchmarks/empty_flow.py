"""What any flow costs: Prefect's import, its start and its end."""

from prefect import flow


@flow(persist_result=False)
def empty() -> None:
    """Do nothing."""


if __name__ == "__main__":
    empty()
