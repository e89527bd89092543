"""Block types whose schemas are made when they are needed, and once."""

from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, ClassVar

from prefect.blocks.core import Block

_KEY = "__dispatch_key__"


def _slug(block_type: type[Block]) -> str:
    return block_type.get_block_type_slug()


@contextmanager
def defined_by_slug() -> Iterator[None]:
    """While modules of others are loaded: their block types are registered under their slugs.

    So they are anyway, but for each of them Prefect makes the whole schema, of which it reads the
    slug: a twentieth of the time that a flow takes to be imported.
    """
    made = vars(Block).get(_KEY)
    if made is None:  # another version of Prefect finds its types in another way
        yield
        return
    setattr(Block, _KEY, classmethod(_slug))
    try:
        yield
    finally:
        setattr(Block, _KEY, made)


class Described(Block, ABC):
    """A block type whose JSON schema is made once, and not where it is only used.

    Prefect makes a type's schema, and those of all types that it nests, each time anew: for each
    field when a block of it is saved (an environment in 21 s instead of 3), and when the type is
    defined, only to read its slug. As a base it comes last.
    """

    _schemas: ClassVar[dict[object, dict[str, Any]]] = {}

    @classmethod
    def __dispatch_key__(cls) -> str | None:
        """As Prefect's, which makes the whole schema for it."""
        return _slug(cls)

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """As pydantic's."""
        key = (cls, args, *options.items())
        if key not in cls._schemas:
            cls._schemas[key] = super().model_json_schema(*args, **options)
        return deepcopy(cls._schemas[key])
