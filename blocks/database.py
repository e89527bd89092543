"""The database of an environment."""

from pydantic import Field, SecretStr

from blocks.cached_schema import CachedSchemaBlock


class Database(CachedSchemaBlock):
    """A PostgreSQL database and the schema that contains an environment's tables.

    The connector of `prefect-sqlalchemy` does not fit: it stores the URL as plain text, so the UI and the API show the
    password, and it commits every statement, but publishing needs one transaction.
    """

    _block_type_name = "User Page Views Database"
    _block_type_slug = "user-page-views-database"
    _description = "The PostgreSQL database that user_page_views is published to."

    url: SecretStr = Field(
        title="Database URL",
        description="postgresql://USER:PASSWORD@HOST:PORT/DATABASE; add parameters such as "
        "?sslmode=verify-full if needed.",
    )
    schema_name: str | None = Field(
        default=None,
        title="Schema",
        description="The schema of the tables, created if missing. If empty, the connection's current schema is used.",
    )
    lock_timeout: int = Field(
        default=600,
        ge=0,
        title="Lock timeout",
        description="How many seconds a run waits for a lock that another session holds on the "
        "tables before it fails; 0 waits forever. Readers never wait.",
    )
