"""Mail addresses: which two are the same, what kind one is, who receives for it."""

from __future__ import annotations

from enum import StrEnum


class AddressKind(StrEnum):
    """What an address tells about its owner."""

    FREE = "free"
    #: A company's own domain: likely a purchaser, the agent is told.
    COMPANY = "company"
    #: A marketplace's relay: order mail only, never marketing.
    RELAY = "relay"
    #: info@, sales@ and the like.
    ROLE = "role"
    DISPOSABLE = "disposable"


#: Domains (and, with a leading dot, whole families) whose addresses a marketplace lends to a buyer.
RELAY_DOMAINS = (
    "marketplace.amazon.com marketplace.amazon.co.uk marketplace.amazon.de marketplace.amazon.fr "
    "marketplace.amazon.it marketplace.amazon.es marketplace.amazon.ca marketplace.amazon.co.jp "
    "marketplace.amazon.com.mx marketplace.amazon.com.br marketplace.amazon.com.au "
    "marketplace.amazon.nl marketplace.amazon.se marketplace.amazon.pl marketplace.amazon.in "
    "members.ebay.com members.ebay.co.uk members.ebay.de members.ebay.fr members.ebay.com.au "
    "relay.walmart.com privaterelay.appleid.com"
).split()
#: Apple's relay hides a person's own address but is not a marketplace: marketing is allowed there.
PERSONAL_RELAYS = {"privaterelay.appleid.com"}
ROLE_NAMES = set(
    "info sales office contact admin support service hello mail order orders shop purchase "
    "purchasing accounts billing webmaster postmaster noreply no-reply abuse hr".split()
)
DISPOSABLE_DOMAINS = set(
    "mailinator.com guerrillamail.com 10minutemail.com temp-mail.org tempmail.com yopmail.com "
    "trashmail.com getnada.com sharklasers.com dispostable.com maildrop.cc "
    "throwawaymail.com".split()
)
#: Receiving provider group -> domains. Each group has its own limits.
PROVIDERS: dict[str, frozenset[str]] = {
    "gmail": frozenset("gmail.com googlemail.com".split()),
    "yahoo": frozenset(
        "yahoo.com yahoo.co.uk yahoo.fr yahoo.de yahoo.es yahoo.it yahoo.com.br ymail.com "
        "rocketmail.com aol.com".split()
    ),
    "outlook": frozenset(
        "outlook.com hotmail.com live.com msn.com hotmail.co.uk hotmail.fr hotmail.de hotmail.es "
        "hotmail.it outlook.fr outlook.de outlook.es live.co.uk live.fr".split()
    ),
    "mailru": frozenset(
        "mail.ru bk.ru inbox.ru list.ru internet.ru yandex.ru yandex.com ya.ru yandex.by yandex.kz "
        "rambler.ru".split()
    ),
    "qq": frozenset(
        "qq.com foxmail.com 163.com 126.com yeah.net sina.com sohu.com 139.com".split()
    ),
    "icloud": frozenset("icloud.com me.com mac.com".split()),
}
#: The group of all who have none of their own.
OTHER = "other"
_PROVIDER_OF = {host: name for name, hosts in PROVIDERS.items() for host in hosts}
OTHER_FREE = frozenset(
    "gmx.de gmx.net gmx.com web.de t-online.de freenet.de orange.fr wanadoo.fr free.fr laposte.net "
    "sfr.fr libero.it virgilio.it tiscali.it uol.com.br bol.com.br terra.com.br ig.com.br "
    "btinternet.com sky.com talktalk.net virginmedia.com comcast.net verizon.net att.net "
    "proton.me protonmail.com tutanota.com zoho.com ukr.net i.ua wp.pl o2.pl onet.pl interia.pl "
    "seznam.cz centrum.cz naver.com daum.net hanmail.net example.com example.org "
    "example.net".split()
)


def key(address: str) -> str:
    """What two spellings of one address share: case and surrounding blanks do not matter."""
    return address.strip().casefold()


def domain(address: str) -> str:
    """The part after the last @, lower case."""
    return address.rpartition("@")[2].strip().lower()


def is_free(host: str) -> bool:
    """Whether a mailbox provider gives addresses of this domain to everybody."""
    return host in _PROVIDER_OF or host in OTHER_FREE


def provider(address: str) -> str:
    """The receiving provider group of `address`; "other" where it has none of its own."""
    return _PROVIDER_OF.get(domain(address), OTHER)


def is_marketplace_relay(address: str) -> bool:
    """Whether a marketplace lends this address: only order mail may go there."""
    host = domain(address)
    return host in RELAY_DOMAINS and host not in PERSONAL_RELAYS


def kind(address: str) -> AddressKind:
    """What kind of address this is, most telling first."""
    host = domain(address)
    if is_marketplace_relay(address):
        return AddressKind.RELAY
    if host in DISPOSABLE_DOMAINS:
        return AddressKind.DISPOSABLE
    if provider(address) != "other" or host in OTHER_FREE or host in PERSONAL_RELAYS:
        return AddressKind.FREE
    if address.partition("@")[0].strip().lower() in ROLE_NAMES:
        return AddressKind.ROLE
    return AddressKind.COMPANY


def masked(phone: str) -> str:
    """A phone number as lists may show it: the last three digits only."""
    digits = [c for c in phone if c.isdigit()]
    return "***" + "".join(digits[-3:]) if digits else ""
