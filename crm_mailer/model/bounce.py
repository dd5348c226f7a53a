"""Why a mail came back, and what that means: the one table of reasons and their effects."""

from __future__ import annotations

from enum import StrEnum

from crm_mailer.model.reply import BounceKind


class BounceReason(StrEnum):
    """Why a server did not take a mail, or what else it has to tell about it."""

    USERUNKNOWN = "userunknown"
    HOSTUNKNOWN = "hostunknown"
    HASMOVED = "hasmoved"

    MAILBOXFULL = "mailboxfull"
    SUSPENDED = "suspended"
    #: Taken at the door and refused later, by a filter of the recipient or for no stated reason.
    FILTERED = "filtered"
    EXPIRED = "expired"
    #: The domain takes no mail at all (null MX, 521).
    NOTACCEPT = "notaccept"
    #: Refused without a detail.
    REJECTED = "rejected"
    #: The recipient's own forwarding or mail program failed.
    MAILERERROR = "mailererror"
    UNDEFINED = "undefined"

    BLOCKED = "blocked"
    BADREPUTATION = "badreputation"
    AUTHFAILURE = "authfailure"
    REQUIREPTR = "requireptr"
    #: Our sender address or its domain is not wanted, or does not exist.
    BADSENDER = "badsender"
    POLICYVIOLATION = "policyviolation"
    SPAMDETECTED = "spamdetected"
    VIRUSDETECTED = "virusdetected"
    TOOMANYCONN = "toomanyconn"
    SPEEDING = "speeding"
    NORELAYING = "norelaying"
    MESGTOOBIG = "mesgtoobig"
    CONTENTERROR = "contenterror"
    SECURITYERROR = "securityerror"
    SYNTAXERROR = "syntaxerror"

    DELAYED = "delayed"
    ONHOLD = "onhold"

    NETWORKERROR = "networkerror"
    SYSTEMERROR = "systemerror"
    DELIVERED = "delivered"
    VACATION = "vacation"
    FEEDBACK = "feedback"

    @property
    def kind(self) -> BounceKind:
        """What follows from it."""
        return _KINDS.get(self, BounceKind.SOFT)


_R = BounceReason
_KINDS: dict[BounceReason, BounceKind] = {
    **dict.fromkeys((_R.USERUNKNOWN, _R.HOSTUNKNOWN, _R.HASMOVED), BounceKind.HARD),
    **dict.fromkeys(
        (
            _R.BLOCKED,
            _R.BADREPUTATION,
            _R.AUTHFAILURE,
            _R.REQUIREPTR,
            _R.BADSENDER,
            _R.POLICYVIOLATION,
            _R.SPAMDETECTED,
            _R.VIRUSDETECTED,
            _R.TOOMANYCONN,
            _R.SPEEDING,
            _R.NORELAYING,
            _R.MESGTOOBIG,
            _R.CONTENTERROR,
            _R.SECURITYERROR,
            _R.SYNTAXERROR,
        ),
        BounceKind.OURS,
    ),
    **dict.fromkeys((_R.DELAYED, _R.ONHOLD), BounceKind.DELAY),
    **dict.fromkeys(
        (_R.NETWORKERROR, _R.SYSTEMERROR, _R.DELIVERED, _R.VACATION, _R.FEEDBACK),
        BounceKind.NOTICE,
    ),
}
