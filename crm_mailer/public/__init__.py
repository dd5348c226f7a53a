"""The public pages: what links in mails lead to, and what other programs send us."""
