"""A mail's HTML as the page's frame shows it: light or dark, its links dead, its scripts off."""

from __future__ import annotations

import html
import re

DARK = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)", re.IGNORECASE)
LIGHT = re.compile(r"\(\s*prefers-color-scheme\s*:\s*light\s*\)", re.IGNORECASE)
HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
#: MJML's hidden line that mail programs show beside the subject.
PREHEADER = re.compile(r'<div style="display:none;[^"]*">(.*?)</div>', re.DOTALL)
ALWAYS, NEVER = "(min-width: 0)", "(max-width: 0)"


def dressed(mail: str, *, is_dark: bool) -> str:
    """The mail for the frame.

    A browser asks its own system whether it is dark; here the page decides, so the question is
    answered in the text. The base element keeps clicks from leading the frame away: what opens
    a new window is not allowed in a sandbox.
    """
    mail = DARK.sub(ALWAYS if is_dark else NEVER, mail)
    mail = LIGHT.sub(NEVER if is_dark else ALWAYS, mail)
    scheme = "dark" if is_dark else "light"
    head = f'<base target="_blank"><style>:root{{color-scheme:only {scheme}}}</style>'
    found = HEAD.search(mail)
    if found is None:
        return head + mail
    return f"{mail[: found.end()]}{head}{mail[found.end() :]}"


def has_dark_rules(mail: str) -> bool:
    """Whether the mail says how it looks in dark mode."""
    return DARK.search(mail) is not None


def preheader(mail: str) -> str:
    """The line that mail programs show beside the subject; empty where there is none."""
    found = PREHEADER.search(mail)
    return " ".join(html.unescape(found[1]).split()) if found else ""
