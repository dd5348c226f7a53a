"""Mails in frames of a page: their styles and pictures, and nothing in them that could act."""

from __future__ import annotations

#: No scripts, no forms, no address of anybody else, no way out of the frame.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"
)
HEADERS = {"content-security-policy": POLICY, "referrer-policy": "no-referrer"}
#: What is saved, never shown.
SAVED_POLICY = "default-src 'none'; sandbox"
