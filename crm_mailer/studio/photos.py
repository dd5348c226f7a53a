"""Photos that agents keep as evidence: made smaller by the page's script, checked here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from crm_mailer.i18n import _
from crm_mailer.model.errors import NotPossible

#: How a file begins that is a picture of a kind which browsers show and which cannot act.
_BEGINNINGS = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "image/gif",
}
_HEAD = "data:image/jpeg;base64,"


def kind_of(path: Path) -> str:
    """The kind of a picture by its bytes; empty for what is none."""
    with path.open("rb") as file:
        begin = file.read(12)
    if begin[:4] == b"RIFF" and begin[8:] == b"WEBP":
        return "image/webp"
    return next((kind for head, kind in _BEGINNINGS.items() if begin.startswith(head)), "")


@contextmanager
def received(text: str) -> Iterator[list[Path]]:
    """The photo of a form as a file, while the block runs; no file where there is none.

    Raises:
        NotPossible: it is no photo.
    """
    if not text:
        yield []
        return
    try:
        content = base64.b64decode(text.removeprefix(_HEAD), validate=True)
    except (binascii.Error, ValueError):
        content = b""
    with TemporaryDirectory(prefix="crm-mailer-") as folder:
        path = Path(folder) / "photo.jpg"
        path.write_bytes(content)
        if kind_of(path) != "image/jpeg":
            raise NotPossible(_("that is no photo"), hint=_("choose a picture, or give a link"))
        yield [path]
