"""The tables of an environment's schema: contract, section 4."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, MetaData, PrimaryKeyConstraint, Sequence, Table, Text
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
            Column("user_id", BigInteger, nullable=False),
            Column("email", Text),
            Column("url", Text, nullable=False),
            Column("count", BigInteger, nullable=False),
            Column("last_viewed", _Instant, nullable=False),
            PrimaryKeyConstraint("user_id", "url", name="user_page_views_pkey"),
            # Room on each page, so that updated rows need no new index entries.
            postgresql_with={"fillfactor": 75},
        )
        # What the next incremental load builds on: the update that each user's email is from.
        self.latest_user_updates = Table(
            "latest_user_updates",
            metadata,
            Column("user_id", BigInteger, nullable=False, autoincrement=False),
            Column("instant", _Instant, nullable=False),
            Column("email", Text, nullable=False),
            Column("name", Text, nullable=False),
            PrimaryKeyConstraint("user_id", name="latest_user_updates_pkey"),
        )
        self.pipeline_runs = Table(
            "pipeline_runs",
            metadata,
            Column("flow", Text, nullable=False),
            Column("id", Text, nullable=False),
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
            PrimaryKeyConstraint("flow", "id", name="pipeline_runs_pkey"),
        )
        # Orders the listings of concurrent runs; unlike a clock, it never goes back.
        self.listings = Sequence("pipeline_listings", metadata=metadata)
        self.rejected_records = Table(
            "rejected_records",
            metadata,
            Column("object_key", Text, nullable=False),
            Column("line_number", BigInteger, nullable=False),
            Column("reason", Text, nullable=False),
            Column("line", Text, nullable=False),
            PrimaryKeyConstraint("object_key", "line_number", name="rejected_records_pkey"),
        )
        self.loaded = (self.user_page_views, self.latest_user_updates, self.rejected_records)
