"""The steps of hello-world: each leaves a file, and the file is the proof that it is done."""

from flows.storage.results import ResultsStorage
from flows.tasks.caching import cached_task
from flows.tasks.environments import environment_of
from flows.tasks.places import results_of


def output_name(id: str, word: str) -> str:
    """The file of a word in the results storage."""
    return f"results/{id}/{word}.txt"


def is_made(storage: ResultsStorage, id: str, word: str) -> bool:
    """Whether a word's file is there."""
    return storage.read(output_name(id, word)) is not None


@cached_task("write-word", 1, "Writes one word into its file, unless the file is there.")
def write_word(id: str, environment: str, part: str) -> str:
    """Write the word `part`, capitalised, into its file and return the file's name.

    Key: environment, id and word. Promise: where the record stands and the file does too,
    nothing is written.
    """
    storage, name = results_of(environment_of(environment)), output_name(id, part)
    if storage.read(name) is None:
        storage.write(name, part.capitalize().encode())
    return name


@cached_task("join-words", 1, "Reads both words and writes them into one file.")
def join_words(id: str, environment: str, words: list[str]) -> str:
    """Read the words' files, write `hello_world.txt` unless it is there, and return its name.

    Key: environment and id. Promise: as for `write_word`.
    """
    storage, name = results_of(environment_of(environment)), output_name(id, "hello_world")
    if storage.read(name) is None:
        read = [storage.read(word) for word in words]
        storage.write(name, b" ".join(content for content in read if content is not None))
    return name
