"""What other programs call the fields of a mail: whoever comes from one writes them by habit."""

from __future__ import annotations

import re

from crm_mailer.model.sentence import Sentence

#: What other programs call a field, without blanks, lines and points -> what it is here.
FIELDS = {
    **dict.fromkeys("firstname fname givenname prenom vorname имя 名字".split(),
                    "customer.given_name"),
    **dict.fromkeys("lastname lname surname familyname".split(), "customer.family_name"),
    **dict.fromkeys("name fullname customername username contactname".split(), "customer.name"),
    **dict.fromkeys("salutation greeting".split(), "greeting"),
    **dict.fromkeys("email emailaddress mail".split(), "customer.email"),
    **dict.fromkeys("phone telephone".split(), "customer.phone"),
    **dict.fromkeys("city town".split(), "customer.city"),
    **dict.fromkeys(["country"], "customer.country_name"),
    **dict.fromkeys("zip zipcode postcode postalcode".split(), "customer.postcode"),
    **dict.fromkeys("street address address1".split(), "customer.street"),
    **dict.fromkeys("ordernumber orderid orderno ordername order".split(), "order.number"),
    **dict.fromkeys("orderdate".split(), "order.placed_on"),
    **dict.fromkeys("ordertotal total amount totalprice".split(), "order.amount"),
    **dict.fromkeys("tracking trackingnumber trackingno trackingcode".split(),
                    "order.tracking_number"),
    **dict.fromkeys("trackingurl trackinglink".split(), "order.tracking_url"),
    **dict.fromkeys("carrier courier".split(), "order.carrier"),
    **dict.fromkeys("coupon couponcode code discountcode promocode vouchercode voucher".split(),
                    "benefit.code"),
    **dict.fromkeys("company companyname shop shopname store storename sitename".split(),
                    "shop.name"),
    **dict.fromkeys("listaddress listaddresshtml companyaddress shopaddress".split(),
                    "shop.postal_address"),
    **dict.fromkeys("unsub unsubscribe unsubscribeurl unsubscribelink unsublink".split(),
                    "unsubscribe_url"),
    **dict.fromkeys("updateprofile preferences preferencesurl managepreferences".split(),
                    "preferences_url"),
    **dict.fromkeys("archive webversion viewinbrowser viewonline browserlink".split(), "web_url"),
    **dict.fromkeys("currentyear year".split(), "now_year"),
}  # fmt: skip
#: What other programs call the reader.
READERS = frozenset("client contact member person profile recipient subscriber user".split())
#: Before the name that counts: `{!Contact.FirstName}`, `[subscriber:firstname]`, `{$user.name}`.
OWNER = re.compile(r"^(?:\w+[.:])+")
FALLBACK = re.compile(r"\s*[|,].*$", re.DOTALL)
NO_LETTERS = re.compile(r"[\W_]+")


def help_for(name: str) -> str:
    """What a field is called here that other programs call so; empty where that is not known."""
    own = FIELDS.get(NO_LETTERS.sub("", OWNER.sub("", FALLBACK.sub("", name))).casefold())
    return Sentence("write {field}", field=f"{{{{ {own} }}}}") if own else ""


def help_for_name(name: str) -> str:
    """What is meant by a name in Jinja that there is not; empty where that is not known."""
    if name.casefold() in READERS:
        return Sentence("did you mean `{name}`?", name="customer")
    return help_for(name)
