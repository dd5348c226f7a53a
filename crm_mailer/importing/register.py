"""Finds the customer of each draft, or makes one; completes and merges those that are one person.

A customer is found by mail address, else by the platform's buyer id, else by phone, else by name
with postcode and street. A phone or an address never joins two people who have different mail
addresses. The same buyer id does: then the known address stays, unless it is a marketplace's relay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm_mailer.importing.drafts import Person
from crm_mailer.importing.report import COUNT, Count, Tally
from crm_mailer.model import address as addresses
from crm_mailer.model import language, zones
from crm_mailer.model.consent import Word, stronger
from crm_mailer.model.customer import ConsentBasis, Customer, Gender
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import customers as store
from crm_mailer.store.engine import Connection

OTHER_CASE = Sentence(
    "{count} mail addresses differ from a known one in upper and lower case only: "
    "they are one customer",
    count=COUNT,
)
ONE_OTHER_CASE = Sentence(
    "1 mail address differs from a known one in upper and lower case only: they are one customer"
)
OTHER_ADDRESS = Sentence(
    "{count} rows have another mail address than the one known for their buyer: "
    "the known one was kept",
    count=COUNT,
)
ONE_OTHER_ADDRESS = Sentence(
    "1 row has another mail address than the one known for its buyer: the known one was kept"
)


@dataclass(slots=True, kw_only=True)
class Record:
    """A customer while a chunk is worked on. `id` is 0 until a new one is written."""

    customer: Customer
    id: int = 0
    is_new: bool = False
    is_changed: bool = False
    merged_into: Record | None = None
    identities: set[tuple[str, str]] = field(default_factory=set)
    consent: Word | None = None

    def itself(self) -> Record:
        """The record that stands for this one after merges."""
        one = self
        while one.merged_into is not None:
            one = one.merged_into
        return one


class Register:
    """The customers of one chunk: load them, resolve each draft, save."""

    def __init__(
        self,
        connection: Connection,
        *,
        default_language: str,
        now: datetime,
        is_thorough: bool = False,
    ) -> None:
        """`is_thorough`: the file is about customers, so join those that share a weak name too."""
        self.connection = connection
        self.is_thorough = is_thorough
        self.default_language = default_language
        self.now = now
        self.by_id: dict[int, Record] = {}
        self.by_email: dict[str, Record] = {}
        self.by_identity: dict[tuple[str, str], Record] = {}
        self.new: list[Record] = []
        self.merges: list[tuple[int, int]] = []
        self.met: dict[int, Record] = {}

    def load(self, people: Sequence[Person], customer_ids: Iterable[int] = ()) -> None:
        """Fetch every customer that these people may be.

        Weak names (phone, place) are asked for only where the mail address is not known yet.
        """
        emails = {person.address.key for person in people if person.address}
        for customer in store.find_by_emails(self.connection, emails).values():
            self._hold(customer)
        wanted: dict[str, set[str]] = {}
        for person in people:
            is_known = person.address is not None and person.address.key in self.by_email
            for platform, name in self._names(person, weak=self.is_thorough or not is_known):
                wanted.setdefault(platform, set()).add(name)
        identities = store.find_identities(self.connection, wanted)
        missing = {*identities.values(), *customer_ids} - self.by_id.keys()
        for customer in store.find_by_ids(self.connection, missing).values():
            self._hold(customer)
        for identity, customer_id in identities.items():
            self.by_identity[identity] = self.by_id[customer_id]

    def resolve(
        self, person: Person, tally: Tally, *, owner: int | None = None, overwrite: bool = False
    ) -> Record | None:
        """The customer that this person is; None where nothing tells who it is.

        Args:
            person: what the file tells.
            tally: takes notes.
            owner: id of the customer to whom the order belongs already.
            overwrite: the file is about customers: what it tells replaces what is known.
        """
        found = self._find(person, owner, tally)
        if found is None:
            if person.is_nobody():
                return None
            found = self._make(person)
        self._complete(found, person, overwrite=overwrite)
        self._name(found, person)
        self.met[id(found)] = found
        return found

    def note_consent(self, record: Record, person: Person, at: datetime, source: str) -> None:
        """Keep what the customer said to marketing, where the file tells it."""
        said = person.accepts_marketing
        if said is not None:
            basis = ConsentBasis.CONSENT if said else ConsentBasis.NONE
            word = Word(basis, at, source, person.evidence)
            record.consent = stronger(word, record.consent) if record.consent else word

    def save(self, tally: Tally) -> None:
        """Write new, changed and merged customers, their names and consents."""
        new = [record for record in self.new if record.merged_into is None]
        ids = store.take_ids(self.connection, len(new))
        for record, new_id in zip(new, ids, strict=True):
            record.id = new_id
            record.customer = record.customer._replace(id=new_id)
        for loser, winner in self.merges:
            store.merge(self.connection, loser, winner, now=self.now)
        changed = [r for r in self.by_id.values() if r.is_changed and r.merged_into is None]
        store.change(self.connection, (r.customer for r in changed), now=self.now)
        store.add(self.connection, (r.customer for r in new), now=self.now)
        records = [*new, *(r for r in self.by_id.values() if r.merged_into is None)]
        store.add_identities(
            self.connection,
            (
                store.Identity(customer_id=r.id, platform=platform, buyer_id=name)
                for r in records
                for platform, name in sorted(r.identities)
            ),
        )
        store.put_consents(self.connection, [c for r in records if (c := _consent(r))])
        tally.add(Count.CUSTOMERS_NEW, len(new))
        tally.add(Count.CUSTOMERS_CHANGED, len(changed))
        tally.add(Count.CUSTOMERS_MERGED, len(self.merges))

    def unchanged(self) -> list[Record]:
        """Known customers whom this chunk told of and of whom it told nothing new."""
        return [r for r in self.met.values() if not r.is_new and not r.is_changed]

    # ------------------------------------------------------------------ finding

    def _find(self, person: Person, owner: int | None, tally: Tally) -> Record | None:
        mailed = self._mailed(person, tally)
        account = person.account()
        buyer = self._itself(self.by_identity.get(account)) if account else None
        owned = self._itself(self.by_id.get(owner)) if owner else None
        if owned is not None:
            return self._join(owned, mailed, person, tally)
        if buyer is not None:
            return self._join(buyer, mailed, person, tally)
        traced = self._traced(person) if mailed is None or self.is_thorough else None
        if mailed is not None:
            if traced is not None and traced is not mailed and not traced.customer.email:
                self._merge(traced, mailed)
            return mailed.itself()
        if traced is not None and (not person.address or not traced.customer.email):
            return traced
        return None

    def _join(self, held: Record, mailed: Record | None, person: Person, tally: Tally) -> Record:
        """Who it is when a buyer id (or the order itself) and a mail address both tell."""
        if mailed is held or person.address is None:
            return held
        is_relay = held.customer.address_kind == addresses.AddressKind.RELAY
        if held.customer.email and not is_relay:
            tally.note(OTHER_ADDRESS, one=ONE_OTHER_ADDRESS)
            return held
        return held if mailed is None else self._merge(held, mailed)

    def _mailed(self, person: Person, tally: Tally) -> Record | None:
        if person.address is None:
            return None
        found = self._itself(self.by_email.get(person.address.key))
        if found is not None and found.customer.email != person.address.email:
            tally.note(OTHER_CASE, one=ONE_OTHER_CASE)
        return found

    def _traced(self, person: Person) -> Record | None:
        for name in person.traces():
            if found := self._itself(self.by_identity.get(name)):
                return found
        return None

    @staticmethod
    def _itself(record: Record | None) -> Record | None:
        return None if record is None else record.itself()

    @staticmethod
    def _names(person: Person, *, weak: bool) -> list[tuple[str, str]]:
        account = person.account()
        names = [account] if account else []
        return [*names, *person.traces()] if weak else names

    # ------------------------------------------------------------------ making and completing

    def _hold(self, customer: Customer) -> None:
        record = Record(customer=customer, id=customer.id)
        self.by_id[customer.id] = record
        if customer.email:
            self.by_email[addresses.key(customer.email)] = record

    def _make(self, person: Person) -> Record:
        record = Record(
            is_new=True,
            customer=Customer(
                id=0, email=None, source_platform=person.platform, created_at=self.now
            ),
        )
        self.new.append(record)
        return record

    def _complete(self, record: Record, person: Person, *, overwrite: bool) -> None:
        held = record.customer
        told: dict[str, Any] = {
            name: value
            for name, value in person.fields.items()
            if getattr(held, name) != value
            and (overwrite or not getattr(held, name))
            and not held.is_own(name)
        }
        if "gender" in told:
            told["gender"] = Gender(told["gender"])
        self._complete_address(held, person, told)
        self._complete_place(held, person, told)
        told = {name: value for name, value in told.items() if getattr(held, name) != value}
        if told:
            record.customer = held._replace(**told)
            record.is_changed = bool(record.id)
        if record.customer.email:
            self.by_email.setdefault(addresses.key(record.customer.email), record)

    def _complete_address(self, held: Customer, person: Person, told: dict[str, Any]) -> None:
        if person.address is None:
            return
        is_relay = held.address_kind == addresses.AddressKind.RELAY
        if held.email is not None and not is_relay:
            return
        kind = addresses.kind(person.address.email)
        if held.email is None or kind is not addresses.AddressKind.RELAY:
            told["email"] = person.address.email
            told["address_kind"] = kind.value

    def _complete_place(self, held: Customer, person: Person, told: dict[str, Any]) -> None:
        """Language and zone follow the country where the file tells none."""
        country = told.get("country", held.country)
        if not held.language and "language" not in told:
            told["language"] = language.guess(country, self.default_language)
        elif (
            "country" in told
            and not held.country
            and "language" not in told
            and not held.is_own("language")
        ):
            guessed = language.guess(country, self.default_language)
            if held.language == self.default_language:
                told["language"] = guessed
        is_told = "time_zone" in told or (
            "country" in told and person.fields.get("time_zone") == held.time_zone != ""
        )
        if country and not is_told and (not held.time_zone or "country" in told):
            # a province of the country before says nothing of this one
            known = held.region if country == held.country else ""
            told["time_zone"] = zones.likely(country, str(told.get("region", known)))

    def _name(self, record: Record, person: Person) -> None:
        is_news = record.is_new or record.is_changed or self.is_thorough
        for name in self._names(person, weak=is_news or not person.address):
            if name not in self.by_identity:
                self.by_identity[name] = record
                record.identities.add(name)

    def _merge(self, loser: Record, winner: Record) -> Record:
        """One customer of two: `winner`, unless only `loser` is in the database already."""
        if loser.id and not winner.id:
            loser, winner = winner, loser
        held = winner.customer
        missing = {
            name: getattr(loser.customer, name)
            for name in store.TOLD
            if name != "email_key"
            and getattr(loser.customer, name)
            and (not getattr(held, name) or _is_better_told(name, loser.customer, held))
        }
        if missing:
            winner.customer = held._replace(**missing)
            winner.is_changed = bool(winner.id)
        if winner.customer.email:
            self.by_email[addresses.key(winner.customer.email)] = winner
        winner.identities |= loser.identities
        if winner.consent and loser.consent:
            winner.consent = stronger(winner.consent, loser.consent)
        winner.consent = winner.consent or loser.consent
        loser.merged_into = winner
        if loser.id:
            self.merges.append((loser.id, winner.id))
        return winner


def _is_better_told(name: str, by: Customer, than: Customer) -> bool:
    """Whether one of two who are one person told it on their own page and the other did not."""
    return by.is_own(name) and not than.is_own(name)


def _consent(record: Record) -> store.Consent | None:
    if record.consent is None:
        return None
    basis, at, source, evidence = record.consent
    return store.Consent(
        customer_id=record.id, basis=basis, given_at=at, source=source, evidence=evidence
    )
