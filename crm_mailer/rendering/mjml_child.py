"""Compiles MJML in a process of its own: a template that breaks the compiler breaks only this.

Reads one JSON list of MJML texts, writes one JSON line for each: {"html": ...} or {"error": ...}.
Run as a file, it needs nothing of the program but `mjml-python`.
"""

from __future__ import annotations

import json
import os
import sys

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 10


def main() -> None:
    """Answer the list on standard input."""
    _limit()
    from mjml import mjml2html

    for text in json.load(sys.stdin):
        try:
            answer = {"html": mjml2html(text, disable_comments=True, fonts={})}
        except ValueError as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    os._exit(0)  # Python tidying up would take longer than a template


def _limit() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
