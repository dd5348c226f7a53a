"""Scores customers, concludes what their addresses tell, and keeps who is in which segment."""

from crm_mailer.segmenting.scoring import rebuild_scores
from crm_mailer.segmenting.segment import SegmentChange, SegmentReport, segment

__all__ = ["SegmentChange", "SegmentReport", "rebuild_scores", "segment"]
