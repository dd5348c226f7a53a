"""Kill points: where a crash test may stop the process dead, as a power switch would.

`CRM_MAILER_KILL_AT=K5` kills this process at the first pass of K5, `K5:3` at the third. Without
the variable the points cost one comparison.

K1 before the claim is committed; K2 after it, before the server says 354; KR after a cycle was
rendered; K3 after 354, before the intent is on record; K4 after the intent, before the final dot;
K5 after the dot, before the answer; K6 after the answer, before it is on record; K6J after that,
before the database knows; K7 after the database knows.
"""

from __future__ import annotations

import os
import signal

_ARMED, _, _TIMES = os.environ.get("CRM_MAILER_KILL_AT", "").partition(":")
_left = int(_TIMES) if _TIMES.isdigit() else 1


def point(name: str) -> None:
    """Die here if this point is armed."""
    global _left
    if name != _ARMED:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
