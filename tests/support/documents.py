"""Block documents as the Prefect API holds them: read, and made without the blocks' own code."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate
from prefect.client.schemas.objects import BlockDocument

from blocks.environment import SLUG

Data = dict[str, Any]


def read_document(slug: str, name: str, *, include_secrets: bool) -> BlockDocument:
    """One document."""
    with get_client(sync_client=True) as client:
        return client.read_block_document_by_name(name, slug, include_secrets=include_secrets)


def plant(good: str, name: str, change: Callable[[Data], object]) -> None:
    """Make an environment of another name with a registered one's data, changed.

    The nested blocks are plain data in it. It takes one request, where registering takes seconds.

    Args:
        good: The registered environment.
        name: The new one.
        change: Changes the data in place.
    """
    like = read_document(SLUG, good, include_secrets=True)
    data = copy.deepcopy(like.data)
    change(data)
    create_document(name, data, like.block_type_id, like.block_schema_id)


def create_document(name: str, data: Data, type_id: Any, schema_id: Any) -> BlockDocument:
    """Make a document of a block type and schema that the server knows."""
    document = BlockDocumentCreate(
        name=name, data=data, block_type_id=type_id, block_schema_id=schema_id
    )
    with get_client(sync_client=True) as client:
        return client.create_block_document(document)


def create_documents(stored: list[Data], suffix: str, blocks: list[type[Block]]) -> dict[str, str]:
    """Make documents that refer to each other, each after those it refers to.

    Args:
        stored: Documents as a file keeps them: id, block_type_slug, name and data, in which
            `{"$ref": {"block_document_id": id}}` stands for a document before it.
        suffix: Ends the new documents' names.
        blocks: The block classes, whose registered schemas the documents take.

    Returns:
        The new names by slug.
    """
    types = {block.get_block_type_slug(): block for block in blocks}
    new_ids: dict[str, str] = {}
    names = {}
    for document in stored:
        slug = document["block_type_slug"]
        block = types[slug]
        block.register_type_and_schema()
        data = {key: _referring(value, new_ids) for key, value in document["data"].items()}
        names[slug] = f"{document['name']}-{suffix}"
        made = create_document(names[slug], data, block._block_type_id, block._block_schema_id)
        new_ids[document["id"]] = str(made.id)
    return names


def _referring(value: Any, new_ids: dict[str, str]) -> Any:
    if isinstance(value, dict) and "$ref" in value:
        return {"$ref": {"block_document_id": new_ids[value["$ref"]["block_document_id"]]}}
    return value
