"""Verbs of privacy: hand out all about a person, erase it, keep it erased, list what is held.

An erased person is known again by keyed hashes only. They stand in the database, for imports, and
in a journal beside it, so that a backup that is restored can be brought to the same state.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from crm_mailer.app import archiving, drafts, optouts, people_files
from crm_mailer.app.case_words import EVIDENCE
from crm_mailer.app.wiring import App
from crm_mailer.model.address import key
from crm_mailer.model.errors import CannotWrite, NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import directory, facts, privacy, privacy_map, strangers, suppressions
from crm_mailer.store.engine import Connection
from crm_mailer.store.privacy import Person

JOURNAL = "erasures.jsonl"
_SWEPT = "privacy:swept"
#: Rows are stamped when their transaction begins: a sweep looks back so far behind the last.
OVERLAP = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Everything that is held about a person."""

    customer_id: int
    customer: str
    at: datetime
    tables: Mapping[str, list[dict[str, Any]]]

    @property
    def rows(self) -> int:
        """How many rows that are."""
        return sum(len(held) for held in self.tables.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What became of a person. `files_left`: files of people that still name the address."""

    customer_id: int
    deleted: Mapping[str, int]
    emptied: Mapping[str, int]
    files: int
    files_left: tuple[str, ...]
    #: Whether no trace is left in free places of the database's file.
    is_scrubbed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A line of the inventory; `columns` are those that an erasure empties."""

    table: str
    holds: str
    kept: str
    on_erasure: str
    columns: tuple[str, ...]
    #: Whether a person's rows are found by reading all texts, not by an index.
    is_searched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """Who came again: erased once more, or (who ordered since) kept and not mailed."""

    erased: int
    suppressed: int


def export(app: App, who: str) -> Export:
    """Everything that is held about a customer, for handing out.

    Raises:
        NotFound: there is no such customer.
    """
    with app.store.read() as connection:
        person = _person(connection, who)
        tables = privacy.rows(connection, person)
    for name, held in archiving.rows_of(app, _touches(person), _goes_to(person)).items():
        tables[name] = [*tables.get(name, ()), *held]
    return Export(
        customer_id=person.id,
        customer=person.email or str(person.id),
        at=app.clock.now(),
        tables=tables,
    )


def as_json(found: Export) -> str:
    """The export as machines read it."""
    told = {
        "customer": found.customer_id,
        "exported_at": found.at.isoformat(),
        "tables": found.tables,
    }
    return json.dumps(told, ensure_ascii=False, indent=2, default=str) + "\n"


def as_zip(app: App, found: Export) -> bytes:
    """The export with the person's mails as files of their own."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("data.json", as_json(found))
        with app.store.read() as connection:
            person = privacy.find(connection, found.customer_id)
            for number, raw, path in privacy.raw_mails(connection, person):
                if content := raw or (_read(app.raw_folder / path) if path else b""):
                    file.writestr(f"received/{number}.eml", content)
        for path_ in _sandbox_files(app, [int(one) for one in person.things["touches"]]):
            file.writestr(f"sent/{path_.name}", _read(path_))
    return into.getvalue()


def held(app: App, number: int) -> dict[str, int]:
    """How many rows each table holds about a customer; those that are searched are left out."""
    with app.store.read() as connection:
        return privacy.counts(connection, privacy.find(connection, number))


def erase(app: App, who: str, *, by: str, is_forced: bool = False) -> Erasure:
    """Erase everything about a customer; what must stay stays without the person.

    Files go first and the database last: stopped at any point, the customer is still there to be
    erased once more, by this or by `replay`.

    Args:
        app: the shop.
        who: number, address or name on a platform.
        by: who does it, for the journal.
        is_forced: also where a case is open.

    Raises:
        NotFound: there is no such customer.
        NotPossible: the person was erased already, a case is open, or the archive is being
            written.
        CannotWrite: the journal, the archive or another file cannot be written or removed.
    """
    now = app.clock.now()
    with app.store.read() as connection:
        person = _person(connection, who)
    if person.erased_at is not None:
        raise NotPossible(
            Sentence(
                "customer {number} was erased on {day}",
                number=person.id,
                day=f"{person.erased_at:%Y-%m-%d}",
            )
        )
    if person.open_cases and not is_forced:
        numbers = ", ".join(str(one) for one in person.open_cases)
        raise NotPossible(
            Sentence("a case of this customer is open: {numbers}", numbers=numbers),
            hint="close it first, or erase with --even-open",
        )
    with archiving.still(app) as archive:
        met = archive.addresses(_touches(person), _goes_to(person))
        with app.store.read() as connection:
            person = privacy.find(connection, person.id, met)
            spoken = privacy.mentions(connection, person)
        hashes = _hashes(app, person)
        _note(app, person, hashes, [one for name in met for one in _of_address(app, name)], now, by)
        archive.forget(_touches(person), _goes_to(person))
        files = _remove_files(app, person)
        with app.store.write(durable=True) as connection:
            person = privacy.find(connection, person.id, met)
            privacy.add_traces(connection, hashes, now)
            files += _remove_files(app, person, connection)
            done = privacy.erase(connection, person, now, spoken)
    _forget_wishes(app, person)
    return Erasure(
        customer_id=person.id,
        deleted=done.deleted,
        emptied=done.emptied,
        files=files,
        files_left=tuple(people_files.naming(app, person.addresses, but=JOURNAL)),
        is_scrubbed=privacy.scrub(app.store),
    )


def replay(app: App) -> Swept:
    """Erase again whom the journal names: after a backup was restored.

    Who asked to be written to again is erased, too, where the backup is older than the erasure.
    The archive goes first: stopped at any point, the database still says what is to be done.

    Raises:
        CannotWrite: the journal cannot be read, or a file not be written or removed.
        NotPossible: the archive is being written.
    """
    noted = list(_journal(app))
    known, back = _known_by(noted)
    with archiving.still(app) as archive:
        with app.store.read() as connection:
            told = [(one, _is_undone(connection, one)) for one in noted if one.hashes]
        for one, is_undone in told:
            with app.store.read() as connection:
                touches = privacy.touches_of(connection, [one.customer])
            named = {*one.hashes, *one.met} - (set() if is_undone else back)
            archive.forget(touches, _is_named_by(app, named), is_always_asked=True)
        erased = _do_undone(app, [one for one, is_undone in told if is_undone])
    with app.store.write(durable=True) as connection:
        privacy.drop_traces(connection, back)
        for trace, at in known.items():
            privacy.add_traces(connection, [trace], at)
    swept = _sweep(app, None)
    _forget_letters(app, known)
    privacy.scrub(app.store)
    return replace(swept, erased=swept.erased + erased)


def sweep(app: App) -> Swept:
    """Look at the customers who changed since the last sweep: who was erased must not come back.

    Who placed no order since is erased again, such as when an old export is imported; who did is
    a customer again, but gets no mail until a person lifts that.
    """
    with app.store.read() as connection:
        if not privacy.has_traces(connection):
            return Swept(erased=0, suppressed=0)
        last = facts.find(connection, _SWEPT)
    since = datetime.fromisoformat(last) - OVERLAP if last else None
    return _sweep(app, since)


def forget_erasure(app: App, connection: Connection, customer_id: int) -> None:
    """A person asked to be written to again: what they are called is known as erased no longer.

    The last step of a transaction: what failed after it would stand in the journal all the same.

    Raises:
        CannotWrite: the journal cannot be written, which would take them for erased.
    """
    if privacy.has_traces(connection):
        hashes = _hashes(app, privacy.find(connection, customer_id))
        if privacy.drop_traces(connection, hashes):
            _append(app, {"at": app.clock.now().isoformat(), "customer": customer_id,
                          "returned": hashes})  # fmt: skip


def erasures(app: App) -> str:
    """Changes whenever anybody is known as erased, or no longer."""
    with app.store.read() as connection:
        return privacy.mark_of_traces(connection)


def erased_among(app: App, named: Iterable[str]) -> set[str]:
    """Those of these addresses that were an erased person's."""
    with app.store.read() as connection:
        known = privacy.traces(connection)
    return {one for one in named if not known.keys().isdisjoint(_of_address(app, one))}


def inventory() -> list[Held]:
    """Which tables hold what about persons, and for how long."""
    return [
        Held(
            table=place.table,
            holds=place.holds,
            kept=place.kept.value,
            on_erasure=place.fate.value,
            columns=place.blank,
            is_searched=place.is_searched,
        )
        for place in privacy_map.PLACES
    ]


# ------------------------------------------------------------------ pieces


def _touches(person: Person) -> list[int]:
    return [int(one) for one in person.things["touches"]]


def _goes_to(person: Person) -> archiving.Theirs:
    """Whether a mail to an address was the person's."""
    known = set(person.addresses)
    return lambda address: key(address) in known


def _is_named_by(app: App, known: Set[str]) -> archiving.Theirs:
    """The same, of who was erased: a database that was made anew counts its customers anew."""
    return lambda address: not known.isdisjoint(_of_address(app, address))


def _person(connection: Connection, who: str) -> Person:
    return privacy.find(connection, directory.find_customer(connection, who))


def _is_undone(connection: Connection, one: _Noted) -> bool:
    """Whether the database is older than an erasure, or another one: it does not know of it."""
    done = privacy.erased_at(connection, one.customer)
    return done is None or done < one.at.replace(microsecond=0)


def _do_undone(app: App, undone: Sequence[_Noted]) -> int:
    """Do erasures of which the database does not know, in their order; how many persons."""
    if not undone:
        return 0
    people: dict[str, set[int]] = {trace: set() for one in undone for trace in one.hashes}
    with app.store.read() as connection:
        for id_, _address, trace in _alike(app, connection, None, people):
            people[trace].add(id_)
    gone: set[int] = set()
    for one in undone:
        theirs = set().union(*(people[trace] for trace in one.hashes)) - gone
        # by the person of the journal it is told whether this was done: they go last
        for id_ in sorted(theirs, key=lambda id_: (id_ == one.customer, id_)):
            if not _is_customer_again(app, id_, one.at):
                _erase_again(app, id_, app.clock.now())
                gone.add(id_)
    return len(gone)


def _alike(
    app: App, connection: Connection, since: datetime | None, known: Collection[str]
) -> Iterator[tuple[int, str, str]]:
    """Number, address and hash of those whom one of these hashes knows; not of who is erased."""
    for id_, address, platform, name in privacy.names_since(connection, since):
        for trace in (*_of_address(app, address), *_of_name(app, platform, name)):
            if trace in known:
                yield id_, address, trace


def _sweep(app: App, since: datetime | None) -> Swept:
    now = app.clock.now()
    with app.store.read() as connection:
        known = privacy.traces(connection)
        met: dict[int, tuple[datetime, str]] = {}
        for id_, address, trace in _alike(app, connection, since, known):
            if id_ not in met or met[id_][0] < known[trace]:
                met[id_] = (known[trace], address)
    erased = suppressed = 0
    for id_, (at, address) in met.items():
        if _is_customer_again(app, id_, at):
            suppressed += _suppress(app, address, at)
        else:
            _erase_again(app, id_, now)
            erased += 1
    with app.store.write() as connection:
        facts.put(connection, _SWEPT, now.isoformat(), now)
    return Swept(erased=erased, suppressed=suppressed)


def _is_customer_again(app: App, customer_id: int, at: datetime) -> bool:
    with app.store.read() as connection:
        return privacy.has_ordered_since(connection, customer_id, at)


def _suppress(app: App, address: str, at: datetime) -> int:
    if not address:
        return 0
    with app.store.write() as connection:
        return int(
            suppressions.add(
                connection, address, SuppressionReason.ERASED, source="privacy erase", at=at
            )
        )


def _erase_again(app: App, customer_id: int, now: datetime) -> None:
    with app.store.read() as connection:
        person = privacy.find(connection, customer_id)
        spoken = privacy.mentions(connection, person)
    _remove_files(app, person)
    with app.store.write() as connection:
        person = privacy.find(connection, customer_id)
        _remove_files(app, person, connection)
        privacy.erase(connection, person, now, spoken)
    _forget_wishes(app, person)


def _forget_letters(app: App, known: Mapping[str, datetime]) -> None:
    """Letters from before their writer was erased, which a mailbox brought home once more."""
    if not known:
        return
    with app.store.read() as connection:
        theirs = [
            number
            for number, sender, at in strangers.letters(connection)
            if any(at <= known[one] for one in _of_address(app, sender) if one in known)
        ]
        found = privacy.of_letters(connection, theirs)
    if theirs:
        _remove_files(app, found)
        with app.store.write() as connection:
            privacy.erase(connection, found, app.clock.now())


def _remove_files(app: App, person: Person, connection: Connection | None = None) -> int:
    """Mails that came, those that the sandbox wrote, evidence of cases, answers not yet sent.

    Before the database forgets where they are; in its transaction once more, for what came since.
    """
    if connection is None:
        with app.store.read() as reading:
            return _remove_files(app, person, reading)
    paths = [app.raw_folder / name for name in privacy.raw_paths(connection, person)]
    paths += _sandbox_files(app, _touches(person))
    paths += _case_files(app, person)
    with _plain_errors(app):
        here = [path for path in paths if path.exists()]
        for path in here:
            path.unlink(missing_ok=True)
    return len(here)


def _forget_wishes(app: App, person: Person) -> None:
    with _plain_errors(app):
        optouts.forget(app, person.addresses, _touches(person), person.id)


@contextmanager
def _plain_errors(app: App) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWrite(
            Sentence(
                "{what} cannot be removed: {why}",
                what=error.filename or app.home,
                why=error.strerror or error,
            ),
            hint="correct the folder's rights and do it again, or `crm-mailer privacy replay`",
        ) from error


def _case_files(app: App, person: Person) -> Iterator[Path]:
    """What lies beside the database about cases and tasks."""
    for number in person.things["cases"]:
        yield from sorted((app.home / EVIDENCE / str(number)).glob("*"))
        yield from sorted((app.home / drafts.FOLDER).glob(f"case-{number}-*"))
    for number in person.things["tasks"]:
        yield from sorted((app.home / drafts.FOLDER).glob(f"task-{number}-*"))


def _sandbox_files(app: App, touch_ids: Iterable[int]) -> list[Path]:
    """The files of these mails; their names end with the number of the mail."""
    wanted = {f"{one:08d}" for one in touch_ids}
    if not app.outbox_folder.is_dir():
        return []
    return sorted(
        path for path in app.outbox_folder.glob("*.eml") if path.stem.rpartition("-")[2] in wanted
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


# ------------------------------------------------------------------ hashes and the journal


def _hashes(app: App, person: Person) -> list[str]:
    found = [trace for address in person.addresses for trace in _of_address(app, address)]
    for platform, name in person.identities:
        found += _of_name(app, platform, name)
    return found


def _of_address(app: App, address: str) -> Iterator[str]:
    if address:
        yield from _keyed(app, f"address|{key(address)}")


def _of_name(app: App, platform: str, name: str) -> Iterator[str]:
    """A name on a platform; traces of ours (with #) are no names."""
    if name and not platform.startswith("#"):
        yield from _keyed(app, f"name|{platform}|{name}")


def _keyed(app: App, text: str) -> Iterator[str]:
    """The hash by each key of the shop: an old one still knows whom it hashed."""
    for number, secret in app.keys.keys.items():
        done = hashlib.blake2b(
            b"erasure\0" + text.encode(), key=secret[:64], digest_size=20
        ).hexdigest()
        yield f"{number}:{done}"


def _note(
    app: App, person: Person, hashes: list[str], met: list[str], now: datetime, by: str
) -> None:
    """Write the erasure down before it is done: a backup that is restored has it still to come.

    `met`: hashes of where archived mails went to, also where others get theirs.
    """
    _append(app, {"at": now.isoformat(), "customer": person.id, "traces": hashes, "by": by,
                  "met": met})  # fmt: skip


def _append(app: App, told: Mapping[str, Any]) -> None:
    """A line that is on the disk when this returns."""
    path, line = app.home / JOURNAL, json.dumps(told)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CannotWrite(
            Sentence(
                "the journal of erasures cannot be written: {path}: {why}",
                path=path,
                why=error.strerror or error,
            ),
            hint="nothing was changed; correct the folder's rights and do it again",
        ) from error


@dataclass(frozen=True, slots=True)
class _Noted:
    """A line of the journal."""

    at: datetime
    customer: int
    hashes: list[str]
    met: list[str]
    #: By what a person is known as erased no longer, who asked to be written to again.
    returned: list[str]


def _known_by(noted: Iterable[_Noted]) -> tuple[dict[str, datetime], set[str]]:
    """By what erased persons are known, since when; and what was theirs until they came back."""
    known: dict[str, datetime] = {}
    back: set[str] = set()
    for one in noted:
        known |= dict.fromkeys(one.hashes, one.at)
        back = (back - set(one.hashes)) | set(one.returned)
        for trace in one.returned:
            known.pop(trace, None)
    return known, back


def _journal(app: App) -> Iterator[_Noted]:
    """The journal's lines; one that was cut off in the middle is the last and was not done."""
    path = app.home / JOURNAL
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    except OSError as error:
        raise CannotWrite(
            Sentence("{path} cannot be read: {why}", path=path, why=error.strerror or error)
        ) from error
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(line)
            hashes, met, returned = (
                [str(one) for one in told.get(name, ())] for name in ("traces", "met", "returned")
            )
            at = datetime.fromisoformat(told["at"])
            yield _Noted(at, int(told["customer"]), hashes, met, returned)
