"""Scores customers, concludes what their addresses tell, and keeps who is in which segment."""

from crm_mailer.segmenting.segment import (
    SegmentChange,
    SegmentReport,
    rebuild_scores,
    segment,
)

__all__ = ["SegmentChange", "SegmentReport", "rebuild_scores", "segment"]
