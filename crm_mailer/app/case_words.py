"""What agents type about cases, as values: amounts, deadlines, times of day, links and files."""

from __future__ import annotations

import hashlib
import re
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from crm_mailer.model.errors import CannotWrite, NotFound, NotPossible
from crm_mailer.model.money import Money
from crm_mailer.model.sentence import Sentence

_AMOUNT = re.compile(r"(?:([A-Za-z]{3})\s*)?([0-9]{1,12}(?:\.[0-9]{1,3})?)(?:\s*([A-Za-z]{3}))?")
_HOURS = re.compile(
    r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?:\s*[-–]\s*([01]?[0-9]|2[0-3]):([0-5][0-9]))?"
)
_LINK = re.compile(r"https?://[^\s/]+\.?[^\s]*", re.IGNORECASE)
_TRACKING = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./_-]{3,59}")
#: Where the files lie that were brought as evidence, by the number of the case.
EVIDENCE = "evidence"
#: Photos and short films; a longer film is a link.
LARGEST_FILE = 50_000_000


def amount(text: str, currency: str) -> Money:
    """`12.50 USD`, `USD 12.50`, or `12.50` of the given currency.

    Raises:
        NotPossible: that is no amount of money.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or (match[1] and match[3]):
        raise NotPossible(
            Sentence("`{text}` is no amount", text=text),
            hint='write it with a point and the currency: "12.50 USD"',
        )
    money = Money.of(Decimal(match[2]), (match[1] or match[3] or currency).upper())
    if money.minor <= 0 or money.amount != Decimal(match[2]):
        raise NotPossible(
            Sentence("`{text}` is nothing", text=text)
            if money.minor <= 0
            else Sentence(
                "`{text}` is more exact than {currency} can be paid",
                text=text,
                currency=money.currency,
            ),
            hint="leave --amount out where nothing is paid",
        )
    return money


def deadline(text: str, place: ZoneInfo) -> datetime:
    """`2026-11-07` (its end), `2026-11-07 18:00`, both in `place`, or ISO 8601 with an offset.

    Raises:
        NotPossible: that is no such time.
    """
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NotPossible(
            Sentence("`{text}` is no time", text=text),
            hint='write "2026-11-07 18:00", in the shop\'s own time',
        ) from None
    if len(text) == len("2026-11-07"):
        moment = moment.replace(hour=23, minute=59)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=place)
    return moment.astimezone(UTC)


def hours(text: str) -> str:
    """`19:00-21:00` or `19:00` of the customer's own day.

    Raises:
        NotPossible: that is no such time.
    """
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        raise NotPossible(
            Sentence("`{text}` is no time of day", text=text),
            hint="write 19:00-21:00, in the customer's own time",
        )
    start, end = f"{int(match[1]):02}:{match[2]}", match[3]
    return f"{start}-{int(end):02}:{match[4]}" if end else start


def link(text: str) -> str:
    """A web address, as evidence is noted.

    Raises:
        NotPossible: that is none.
    """
    if not _LINK.fullmatch(text.strip()):
        raise NotPossible(
            Sentence("`{text}` is no web address", text=text), hint="it begins with https://"
        )
    return f"link:{text.strip()}"


def tracking(text: str) -> str:
    """A tracking number, as evidence is noted.

    Raises:
        NotPossible: that is none.
    """
    if not _TRACKING.fullmatch(text.strip()):
        raise NotPossible(
            Sentence("`{text}` is no tracking number", text=text),
            hint="4 to 60 letters and digits, such as RB123456789CN",
        )
    return f"tracking:{text.strip()}"


def keep_file(path: Path, home: Path, case_id: int) -> str:
    """Copy a file into the shop's folder, where it stays; how evidence is noted.

    The same file twice is kept once: its name begins with a digest of what it holds.

    Raises:
        NotFound: there is no such file.
        NotPossible: it is too large, or empty.
        CannotWrite: the shop's folder takes no more.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise NotFound(
                Sentence("{path} is no file", path=path),
                hint="name one photo or document at a time",
            )
        if not 0 < size <= LARGEST_FILE:
            raise NotPossible(
                Sentence(
                    "{path} is larger than {number} MB",
                    path=path,
                    number=LARGEST_FILE // 1_000_000,
                )
                if size
                else Sentence("{path} is empty", path=path),
                hint="put a film on the web and give --link",
            )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    except OSError as error:
        raise NotFound(
            Sentence("{file}: {why}", file=path, why=error.strerror), hint="look at the path"
        ) from None
    name = re.sub(r"[^\w.-]+", "_", path.name)[-80:]
    kept = Path(EVIDENCE) / str(case_id) / f"{digest}-{name}"
    try:
        for folder in (home / EVIDENCE, home / kept.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        partial = home / kept.parent / f".{kept.name}.part"
        shutil.copyfile(path, partial)
        partial.chmod(0o600)
        partial.replace(home / kept)
    except OSError as error:
        raise CannotWrite(
            Sentence("{file}: {why}", file=home / kept, why=error.strerror),
            hint="look at the free space",
        ) from None
    return f"file:{kept.as_posix()}"
