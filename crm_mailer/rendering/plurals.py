"""`plural(n, one=..., few=...)`: the form of a text that a number asks for, by CLDR's rules."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from babel import Locale
from babel.numbers import format_decimal

from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.model.sentence import Sentence

NAME = "plural"
#: CLDR's categories, in its order; `none` is ours: a text for exactly nought.
CATEGORIES = ("zero", "one", "two", "few", "many", "other")
FORMS = ("none", *CATEGORIES)
#: Counts of things that a shop writes about; a category that shows only beyond them is not asked
#: for (`many` of Spanish, French and Portuguese begins at a million).
COUNTS = range(201)


class Plural:
    """The function of that name in templates of one language.

    Args:
        locale: whose rules count.
    """

    __slots__ = ("_locale",)

    def __init__(self, locale: Locale) -> None:
        self._locale = locale

    def __call__(self, number: Any, **forms: str) -> str:
        """The form for `number`; `#` in it becomes the number as the reader writes it.

        A form that is missing is stood in for by `other`, else by the last that is given: `check`
        tells the marketer, and the reader gets a mail all the same.

        Raises:
            TypeError: it is no number, or there is no such form.
        """
        if isinstance(number, bool) or not isinstance(number, int | float):
            # its text, not itself: it may be anything, such as what no other process can be told
            raise TypeError(
                Sentence("plural() counts a number, not `{number}`", number=str(number))
            )
        unknown = next((form for form in forms if form not in FORMS), None)
        if unknown is not None or not forms:
            raise TypeError(
                Sentence("plural() has no form `{form}`", form=unknown)
                if unknown
                else Sentence("plural() has no form")
            )
        category = "none" if number == 0 and "none" in forms else self._locale.plural_form(number)
        spare = forms.get("other", next(reversed(forms.values())))
        written = str(forms.get(category, spare))
        if "#" not in written:
            return written
        return written.replace("#", format_decimal(number, locale=self._locale))


@lru_cache(maxsize=1024)
def of(locale: Locale) -> Plural:
    """The function for a locale."""
    return Plural(locale)


@lru_cache(maxsize=256)
def needed(locale: Locale) -> tuple[str, ...]:
    """The forms that whole numbers of things need in a language, in CLDR's order."""
    found = {locale.plural_form(count) for count in COUNTS}
    return tuple(category for category in CATEGORIES if category in found)


def nearest(form: str) -> str:
    """What may have been meant by a form that there is not."""
    return did_you_mean(form, FORMS)
