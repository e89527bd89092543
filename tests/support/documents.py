"""Block documents, read and written through the Prefect API."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import UUID

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from blocks.environment import SLUG, Environment

Data = dict[str, Any]


def read_document(slug: str, name: str, *, include_secrets: bool) -> BlockDocument:
    """One document."""
    with get_client(sync_client=True) as client:
        return client.read_block_document_by_name(name, slug, include_secrets=include_secrets)


def save_quickly(name: str, environment: Environment) -> None:
    """Create or update an environment with its nested blocks in one request; `blocks.register` takes seconds."""
    type_id, schema_id = _schema_of(Environment, PREFECT_API_URL.value())
    data = environment.model_dump(mode="json", context={"include_secrets": True})
    with get_client(sync_client=True) as client:
        try:
            found = client.read_block_document_by_name(name, SLUG)
        except ObjectNotFound:
            create_document(name, data, type_id, schema_id)
        else:
            changed = BlockDocumentUpdate(data=data, block_schema_id=schema_id, merge_existing_data=False)
            client.update_block_document(found.id, changed)


@cache
def _schema_of(block: type[Block], api: str) -> tuple[UUID, UUID]:
    """The ids of a block's type and schema on this server, where both are registered first."""
    block.register_type_and_schema()
    with get_client(sync_client=True) as client:
        type_id = client.read_block_type_by_slug(block.get_block_type_slug()).id
        schema = client.get_most_recent_block_schema_for_block_type(type_id)
    assert schema is not None
    return type_id, schema.id


def plant(good: str, name: str, change: Callable[[Data], object]) -> None:
    """Create an environment with the data of a registered one, changed in place by the function."""
    like = read_document(SLUG, good, include_secrets=True)
    data = copy.deepcopy(like.data)
    change(data)
    create_document(name, data, like.block_type_id, like.block_schema_id)


def endpoint(which: str, url: str) -> Callable[[Data], object]:
    """For `plant`: the S3 endpoint of one of the buckets becomes this URL."""
    return lambda data: data[which]["credentials"]["aws_client_parameters"].update(endpoint_url=url)


def create_document(name: str, data: Data, type_id: Any, schema_id: Any) -> BlockDocument:
    """Create a document of a block type and schema that the server knows."""
    document = BlockDocumentCreate(name=name, data=data, block_type_id=type_id, block_schema_id=schema_id)
    with get_client(sync_client=True) as client:
        return client.create_block_document(document)


def create_documents(stored: list[Data], suffix: str, blocks: list[type[Block]]) -> dict[str, str]:
    """Create documents that refer to each other; return their new names, which end in the suffix, by slug.

    The stored ones have an id, a block_type_slug, a name and data; a `$ref` is to an earlier document. The
    schemas of the blocks are registered for them.
    """
    api = PREFECT_API_URL.value()
    schemas = {block.get_block_type_slug(): _schema_of(block, api) for block in blocks}
    new_ids: dict[str, str] = {}
    names = {}
    for document in stored:
        slug = document["block_type_slug"]
        data = {key: _referring(value, new_ids) for key, value in document["data"].items()}
        names[slug] = f"{document['name']}-{suffix}"
        made = create_document(names[slug], data, *schemas[slug])
        new_ids[document["id"]] = str(made.id)
    return names


def _referring(value: Any, new_ids: dict[str, str]) -> Any:
    if isinstance(value, dict) and "$ref" in value:
        return {"$ref": {"block_document_id": new_ids[value["$ref"]["block_document_id"]]}}
    return value
