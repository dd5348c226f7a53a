"""Scores customers, concludes what their addresses tell, and keeps who is in which segment."""

from crm_mailer.segmenting.scoring import rebuild_scores
from crm_mailer.segmenting.segment import (
    SegmentChange,
    SegmentReport,
    catch_up,
    find_stale,
    segment,
)

__all__ = [
    "SegmentChange",
    "SegmentReport",
    "catch_up",
    "find_stale",
    "rebuild_scores",
    "segment",
]
