"""The steps of hello-world: each writes a file, which proves that it is done."""

from blocks.load import load_environment
from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task
from flows.tasks.places import results_of


def output_name(id: str, word: str) -> str:
    """The file of a word in the results storage."""
    return f"results/{id}/{word}.txt"


def is_written(storage: ResultsStorage, id: str, word: str) -> bool:
    """Whether a word's file exists."""
    return storage.read(output_name(id, word)) is not None


@cached_task("write-word", 1, "Writes one word into its file, unless the file exists.")
def write_word(id: str, environment: str, part: str) -> str:
    """Write the word `part`, capitalised, into its file and return the file's name.

    Key: environment, id and word. Promise: while both the record and the file exist, nothing is written.
    """
    storage, name = results_of(load_environment(environment)), output_name(id, part)
    if storage.read(name) is None:
        storage.write(name, part.capitalize().encode())
    return name


@cached_task("join-words", 1, "Reads both words and writes them into one file.")
def join_words(id: str, environment: str, words: list[str]) -> str:
    """Read the words' files, write `hello_world.txt` unless it exists, and return its name.

    Key: environment and id. Promise: as for `write_word`.
    """
    storage, name = results_of(load_environment(environment)), output_name(id, "hello_world")
    if storage.read(name) is None:
        read = [storage.read(word) for word in words]
        storage.write(name, b" ".join(content for content in read if content is not None))
    return name
