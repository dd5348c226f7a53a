"""The shop's own people at the studio: what each may do, and what is written down of it."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from crm_mailer.model.errors import NotPossible
from crm_mailer.model.sentence import Sentence

#: A name as people log in with it, such as `lin` or `lin@shop.example`.
NAME = re.compile(r"[\w.@+-]{1,64}")
#: Letters of a password: fewer are guessed, more only cost us time.
SHORTEST, LONGEST = 12, 512
#: A password of fewer different letters is no password.
LEAST_DIFFERENT = 5


class Role(StrEnum):
    """What somebody is to the studio."""

    #: Looks at everything, changes nothing.
    VIEWER = "viewer"
    #: Judges, answers, works on cases and customers' notes.
    AGENT = "agent"
    #: Pauses, releases, changes modes of campaigns, exports.
    MARKETER = "marketer"
    #: All: users, erasure.
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Whether what needs a role may be done in this one."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Noted(StrEnum):
    """What the studio's log writes down."""

    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOGOUT = "logout"
    #: A form that changed something: a release, a mode, an erasure ...
    ACT = "act"
    #: A file that left with customers' data in it.
    EXPORT = "export"
    #: Asked for what the role may not.
    REFUSED = "refused"
    #: Users, roles and passwords.
    USER = "user"


def plain_name(name: str) -> str:
    """The one spelling of a name: case and form of letters do not matter.

    Raises:
        NotPossible: it is none.
    """
    plain = unicodedata.normalize("NFKC", name.strip()).casefold()
    if not NAME.fullmatch(plain):
        raise NotPossible(
            Sentence("`{name}` is no name for a user", name=name.strip()[:80]),
            hint="letters, digits and . _ - + @, at most 64 of them",
        )
    return plain


def check_password(name: str, password: str) -> None:
    """See that a password is worth the name.

    Raises:
        NotPossible: too short, too long, or too easy to guess; the hint says what is wanted.
    """
    weakness = _weakness(name, password)
    if weakness:
        raise NotPossible(weakness, hint="four or five words that only you put together are good")


def _weakness(name: str, password: str) -> Sentence | None:
    """What is wrong with it; None where nothing is."""
    plain = unicodedata.normalize("NFKC", password)
    if len(plain) < SHORTEST:
        return Sentence("the password is too short: at least {least} letters", least=SHORTEST)
    if len(plain) > LONGEST:
        return Sentence("the password is too long: at most {most} letters", most=LONGEST)
    if len(set(plain)) < LEAST_DIFFERENT:
        return Sentence("the password repeats the same few letters")
    folded, own = plain.casefold(), name.casefold()
    if any(len(part) > 2 and part in folded for part in (own, own.partition("@")[0])):
        return Sentence("the password contains the name")
    return None
