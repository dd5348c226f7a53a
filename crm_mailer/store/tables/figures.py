"""Figures that pages show without counting a million rows, and who was erased."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText
from crm_mailer.store.tables.columns import count, metadata

#: What was counted last, by name: marks by cell, moves by month, a segment's facets.
studio_figures = sa.Table(
    "studio_figures",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", JsonText, nullable=False),
    sa.Column("at", Instant, nullable=False),
    #: How long counting took: what takes long is counted less often.
    count("took_ms"),
)

#: How many customers were in a segment at the end of a day, as last counted on it.
segment_sizes = sa.Table(
    "segment_sizes",
    metadata,
    sa.Column("segment", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    count("members"),
)

#: Persons who were erased, by a keyed hash of each address and name they had: nobody can read who
#: it was, but whoever comes again is known.
erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("trace", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
)
