"""What providers of mail tell by webhooks: readers of their shapes, and what follows."""

from crm_mailer.listening.notices.digest import NoticeReport, digest, readers
from crm_mailer.listening.notices.shapes import BadShape

__all__ = ["BadShape", "NoticeReport", "digest", "readers"]
