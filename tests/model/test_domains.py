from __future__ import annotations

import pytest

from crm_mailer.model import domains


@pytest.mark.parametrize(
    ("domain", "wire"),
    [
        ("shop.example", "shop.example"),
        ("Shop_1.example", "Shop_1.example"),
        ("faß.de", "xn--fa-hia.de"),  # not `fass.de`, which is somebody else's
        ("FAẞ.de", "xn--fa-hia.de"),
        ("παράδειγμας.gr", "xn--hxajbheg2az3als.gr"),  # the last sigma of a word stays one
        ("ශ්\u200dරී.com", "xn--10cl1a0b660p.com"),  # joiners that the script needs
        ("نامه\u200cای.com", "xn--mgba3gch31f060k.com"),
        ("BÜCHER.example.", "xn--bcher-kva.example."),
        ("例え。jp", "xn--r8jz45g.jp"),
        ("_dmarc.faß.de", "_dmarc.xn--fa-hia.de"),
        ("xn--bcher-kva.faß.de", "xn--bcher-kva.xn--fa-hia.de"),
    ],
)
def test_a_domain_is_written_as_registries_know_it(domain: str, wire: str) -> None:
    assert domains.wire(domain) == wire


@pytest.mark.parametrize(
    "domain",
    ["", "a..example", "ü" * 64 + ".example", "x" * 64 + ".example", "x." * 127 + "example",
     "a\u200db.example", "ü @x.example", "\udce4.example"],
)  # fmt: skip
def test_what_no_registry_takes_is_refused(domain: str) -> None:
    with pytest.raises(UnicodeError):
        domains.wire(domain)


@pytest.mark.parametrize(
    ("place", "wire"),
    [("faß.de:8443", "xn--fa-hia.de:8443"), ("[::1]:80", "[::1]:80"), ("faß.de", "xn--fa-hia.de")],
)
def test_a_place_keeps_its_port(place: str, wire: str) -> None:
    assert domains.wire_place(place) == wire
