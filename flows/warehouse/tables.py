"""The tables of an environment's schema: contract, section 4."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, MetaData, Sequence, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from flows.counts import PARTS

_Instant = DateTime(timezone=True)


class Tables:
    """The tables, in one schema."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        metadata = MetaData(schema=schema)
        self.metadata = metadata
        self.user_page_views = Table(
            "user_page_views",
            metadata,
            Column("user_id", BigInteger, primary_key=True),
            Column("email", Text),
            Column("url", Text, primary_key=True),
            Column("count", BigInteger, nullable=False),
            Column("last_viewed", _Instant, nullable=False),
            # Room on each page, so that updated rows need no new index entries.
            postgresql_with={"fillfactor": 75},
        )
        # What the next incremental load builds on: the update that each user's email is from.
        self.latest_user_updates = Table(
            "latest_user_updates",
            metadata,
            Column("user_id", BigInteger, primary_key=True, autoincrement=False),
            Column("instant", _Instant, nullable=False),
            Column("email", Text, nullable=False),
            Column("name", Text, nullable=False),
        )
        self.pipeline_runs = Table(
            "pipeline_runs",
            metadata,
            Column("flow", Text, primary_key=True),
            Column("id", Text, primary_key=True),
            Column("environment", Text),  # NULL: from before this column
            Column("listing", BigInteger, nullable=False),
            Column("started_at", _Instant, nullable=False),
            Column("listed_at", _Instant, nullable=False),
            Column("published_at", _Instant, nullable=False),
            Column("fingerprint", Text, nullable=False),
            *(
                Column(f"{kind}_{part}", BigInteger, nullable=False)
                for kind in ("page_views", "user_updates")
                for part in PARTS
            ),
            Column("overtaken", Boolean, nullable=False),
            Column("summary", JSONB, nullable=False),
            Column("stages", JSONB, nullable=False),
        )
        # Orders the listings of concurrent runs; unlike a clock, it never goes back.
        self.listings = Sequence("pipeline_listings", metadata=metadata)
        self.rejected_records = Table(
            "rejected_records",
            metadata,
            Column("object_key", Text, primary_key=True),
            Column("line_number", BigInteger, primary_key=True),
            Column("reason", Text, nullable=False),
            Column("line", Text, nullable=False),
        )
        self.loaded = (self.user_page_views, self.latest_user_updates, self.rejected_records)
