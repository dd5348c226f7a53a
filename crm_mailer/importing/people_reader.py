"""Reads what a row tells of the customer."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from crm_mailer.definitions.files import Fault
from crm_mailer.definitions.written import time_zone
from crm_mailer.importing import cells as values
from crm_mailer.importing import countries
from crm_mailer.importing.cells import CellError, clean
from crm_mailer.importing.drafts import Person
from crm_mailer.importing.header import Binding
from crm_mailer.importing.identity import Addresses
from crm_mailer.importing.report import COUNT, RowProblem, Tally
from crm_mailer.model import language
from crm_mailer.model.choices import Birthday
from crm_mailer.model.sentence import Sentence

#: Field of the map -> field of the customer, for plain text.
TEXTS = {
    "customer_name": "name",
    "given_name": "given_name",
    "family_name": "family_name",
    "patronymic": "patronymic",
    "phone": "phone",
    "region": "region",
    "city": "city",
    "postcode": "postcode",
}


@lru_cache(maxsize=1024)
def _zone(text: str) -> str | CellError:
    """The zone, or what is wrong: to look for the one that was meant takes long."""
    try:
        return time_zone(text)
    except Fault as fault:
        return CellError(str(fault), fault.help)


class PeopleReader:
    """Reads the customers of one file."""

    def __init__(self, binding: Binding, tally: Tally, *, file_name: str, today: date) -> None:
        self.binding = binding
        self.tally = tally
        self.file_name = file_name
        self.today = today
        self.addresses = Addresses()
        get = binding.getter
        self.email, self.buyer_id = get("email"), get("buyer_id")
        self.country, self.language = get("country"), get("language")
        self.gender, self.birthday = get("gender"), get("birthday")
        self.time_zone = get("time_zone")
        self.accepts = get("accepts_marketing")
        self.streets = [g for name in ("street", "street_2", "street_3") if (g := get(name))]
        self.texts = [(field, g) for name, field in TEXTS.items() if (g := get(name))]

    def begin(self, platform: str) -> Person:
        """Nobody yet."""
        return Person(platform=platform)

    def who(self, cells: list[str]) -> str:
        """A short text that tells customers of one file apart; empty where nothing does."""
        for get in (self.buyer_id, self.email, *(get for _, get in self.texts)):
            if get is not None and (text := clean(get(cells), 80)):
                return text.casefold()
        return ""

    def fill(self, person: Person, row: int, cells: list[str]) -> None:
        """Take over what the row tells; what is known stays."""
        if self.email and person.address is None and (text := self.email(cells)):
            try:
                person.address = self.addresses.read(text)
            except CellError as error:
                self._doubt(row, "email", error)
        if self.buyer_id and not person.buyer_id:
            person.buyer_id = clean(self.buyer_id(cells), 100)
        fields = person.fields
        for field, get in self.texts:
            if field not in fields and (text := clean(get(cells))):
                fields[field] = text
        self._fill_place(person, cells)
        if self.time_zone and "time_zone" not in fields and (text := self.time_zone(cells)):
            self._fill_zone(person, row, clean(text, 60))
        self._fill_traits(person, row, cells)
        if "name" not in fields:
            self._join_name(fields)

    def _fill_place(self, person: Person, cells: list[str]) -> None:
        fields = person.fields
        if "street" not in fields and self.streets:
            parts = [text for get in self.streets if (text := clean(get(cells)))]
            if parts:
                fields["street"] = ", ".join(dict.fromkeys(parts))
        if self.country and "country" not in fields and (text := clean(self.country(cells), 80)):
            code = countries.code(text)
            if code:
                fields["country"] = code
            else:
                self.tally.note(
                    Sentence(
                        "{count} rows have the unknown country `{country}`",
                        count=COUNT,
                        country=text,
                    ),
                    one=Sentence("1 row has the unknown country `{country}`", country=text),
                )

    def _fill_traits(self, person: Person, row: int, cells: list[str]) -> None:
        fields = person.fields
        if self.language and "language" not in fields and (text := self.language(cells)):
            fields["language"] = language.base(clean(text, 20))
        if self.gender and "gender" not in fields and (told := values.gender(self.gender(cells))):
            fields["gender"] = told
        if self.birthday and "birth_month" not in fields and (text := self.birthday(cells)):
            self._fill_birthday(person, row, text)
        if self.accepts and person.accepts_marketing is None:
            person.accepts_marketing = values.truth(self.accepts(cells))
            label = self.binding.label("accepts_marketing")
            person.evidence = f"{self.file_name}, row {row}, column {label}"

    def _fill_birthday(self, person: Person, row: int, text: str) -> None:
        try:
            year, month, day = values.birthday(text)
            if not Birthday(month=month, day=day, year=year).is_real(self.today):
                raise CellError(
                    Sentence("nobody alive was born on `{day}`", day=values.short(text)),
                    "look at the year, or leave it out: --05-17",
                )
        except CellError as error:
            self._doubt(row, "birthday", error)
            return
        person.fields["birth_month"], person.fields["birth_day"] = month, day
        if year is not None:
            person.fields["birth_year"] = year

    def _fill_zone(self, person: Person, row: int, text: str) -> None:
        found = _zone(text)
        if isinstance(found, CellError):
            self._doubt(row, "time_zone", found)
        else:
            person.fields["time_zone"] = found

    @staticmethod
    def _join_name(fields: dict[str, str | int]) -> None:
        parts = [str(fields[name]) for name in ("given_name", "patronymic", "family_name")
                 if name in fields]  # fmt: skip
        if parts:
            fields["name"] = " ".join(parts)

    def _doubt(self, row: int, field: str, error: CellError) -> None:
        """A cell that is wrong does not cost the row."""
        self.tally.problem(
            RowProblem(
                row=row,
                column=self.binding.label(field),
                what=str(error),
                hint=error.hint,
                is_left_out=False,
            )
        )
