"""Block types whose schemas are made when they are needed, and once."""

from abc import ABC
from copy import deepcopy
from typing import Any, ClassVar

from prefect.blocks.core import Block


class Described(Block, ABC):
    """A block type whose JSON schema is made once, and not where it is only used.

    Prefect makes a type's schema, and those of all types that it nests, each time anew: for each
    field when a block of it is saved (an environment in 21 s instead of 3), and when the type is
    defined, only to read its slug. As a base it comes last.
    """

    _schemas: ClassVar[dict[object, dict[str, Any]]] = {}

    @classmethod
    def __dispatch_key__(cls) -> str | None:
        """As Prefect's, which makes the whole schema for it, of which it reads the type's slug."""
        return cls.get_block_type_slug()

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """As pydantic's."""
        key = (cls, args, *options.items())
        if key not in cls._schemas:
            cls._schemas[key] = super().model_json_schema(*args, **options)
        return deepcopy(cls._schemas[key])
