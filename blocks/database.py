"""The database block: where an environment's tables live."""

from pydantic import Field, SecretStr

from blocks.described import Described


class Database(Described):
    """A PostgreSQL database and the schema that holds an environment's tables.

    A block of ours: `prefect-sqlalchemy`'s connector takes its URL as plain text, which the UI
    and the API show with its password, and commits each statement by itself, where publishing
    needs one transaction.
    """

    _block_type_name = "User Page Views Database"
    _block_type_slug = "user-page-views-database"
    _description = "The PostgreSQL database that user_page_views is published to."

    url: SecretStr = Field(
        title="Database URL",
        description="postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with ?sslmode=… as needed.",
    )
    schema_name: str | None = Field(
        default=None,
        title="Schema",
        description="The schema of the tables, made when absent. Empty: the connection's own.",
    )
    lock_timeout: int = Field(
        default=600,
        ge=0,
        title="Lock timeout",
        description="Seconds that a run waits for a lock which another session holds on the "
        "tables, before it fails; 0 waits for ever. Readers are never kept waiting meanwhile.",
    )
