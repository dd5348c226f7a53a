from __future__ import annotations

import base64
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.model.token import SHAPE, KeyRing, Purpose

RING = KeyRing(keys={1: b"k" * 32}, current=1)


@given(st.integers(0, 2**63 - 1), st.sampled_from(list(Purpose)))
def test_a_token_leads_back_to_its_touch(touch_id: int, purpose: Purpose) -> None:
    token = RING.make(purpose, touch_id)
    assert SHAPE.fullmatch(token)
    assert RING.read(purpose, token) == touch_id
    assert RING.read(purpose, token.upper()) == touch_id


@given(st.integers(0, 2**63 - 1), st.sampled_from(list(Purpose)))
def test_a_token_is_plain_base32_in_lower_case(touch_id: int, purpose: Purpose) -> None:
    body = b"\1" + touch_id.to_bytes(8, "big")
    seal = hashlib.blake2b(purpose.encode() + b"\0" + body, key=b"k" * 32, digest_size=10).digest()
    parts = [base64.b32encode(part).decode().rstrip("=").lower() for part in (body, seal)]

    assert RING.make(purpose, touch_id) == ".".join(parts)


def test_a_token_for_one_purpose_proves_nothing_for_another() -> None:
    token = RING.make(Purpose.MESSAGE_ID, 17)
    assert RING.read(Purpose.UNSUBSCRIBE, token) is None


@given(st.text(max_size=60))
def test_no_text_of_a_stranger_is_a_token(text: str) -> None:
    assert RING.read(Purpose.VERP, text) is None


def test_a_changed_letter_breaks_the_seal() -> None:
    token = RING.make(Purpose.VERP, 17)
    for place, letter in enumerate(token):
        other = "a" if letter != "a" else "b"
        if letter != ".":
            # The last letters of a part carry spare bits; a changed spare bit is no forgery.
            forged = token[:place] + other + token[place + 1 :]
            assert RING.read(Purpose.VERP, forged) in (None, 17)
    assert RING.read(Purpose.VERP, token[:-3] + "aaa") is None


def test_old_keys_still_verify_after_a_new_one_signs() -> None:
    old = RING.make(Purpose.VERP, 5)
    newer = KeyRing(keys={1: b"k" * 32, 2: b"n" * 32}, current=2)
    assert newer.read(Purpose.VERP, old) == 5
    assert newer.make(Purpose.VERP, 5) != old
