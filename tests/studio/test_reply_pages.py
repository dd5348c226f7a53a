from __future__ import annotations

import base64
import re

import pytest

from crm_mailer.app import reply_looks
from tests.studio.conftest import Studio
from tests.studio.letters import letter, receive

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


@pytest.fixture(scope="module")
def complaint(studio: Studio) -> int:
    return int(studio.json("/replies.json", intent="complaint")["rows"][-1]["id"])


@pytest.fixture(scope="module")
def with_html(studio: Studio) -> int:
    """A letter whose HTML would like to act."""
    html = (
        "<html><head><base href='http://evil.example/'><meta http-equiv='refresh' content='0;url="
        "http://evil.example/'></head><body><script>parent.document.title='taken'</script>"
        "<img src='http://evil.example/track.png'><img src='cid:photo1'>"
        "<form action='http://evil.example/'><button>x</button></form><p>See the photo</p></body>"
    )
    raw = letter(
        "bob@outlook.com",
        "A photo",
        "See the photo",
        html=html,
        files=(("damage.png", PIXEL), ("<img src=x onerror=alert(1)>.html", b"<script>1</script>")),
    ).replace(b'filename="damage.png"', b'filename="damage.png"\nContent-ID: <photo1>')
    return receive(studio.app, raw)


@pytest.mark.parametrize(
    ("asked", "intents"),
    [
        ({"intent": "question"}, {"question"}),
        ({"kind": "auto_reply"}, {""}),
        ({"severity": "P2"}, {"complaint"}),
        ({"language": "es"}, {""}),
        ({"unmatched": "1"}, set()),
        ({"kind": "bounce"}, set()),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_the_list_is_narrowed(studio: Studio, asked: dict[str, str], intents: set[str]) -> None:
    rows = studio.json("/replies.json", **asked)["rows"]
    assert {row["intent"] for row in rows} == intents


def test_every_reply_is_read_once_page_by_page(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        receive(studio.app, letter("bob@outlook.com", f"Hello {number}", "Hello?"))
    every = [row["id"] for row in studio.json("/replies.json")["rows"]]
    monkeypatch.setattr(reply_looks, "ROWS", 2)
    seen, after = [], ""
    while True:
        told = studio.json("/replies.json", **({"after": after} if after else {}))
        seen += [row["id"] for row in told["rows"]]
        if not (after := told["after"]):
            break

    assert seen == every
    assert len(seen) >= 7


def test_neighbours_are_those_of_the_list_that_one_came_from(studio: Studio) -> None:
    rows = [row["id"] for row in studio.json("/replies.json", kind="human")["rows"]]
    told = studio.json(f"/replies/{rows[1]}.json", kind="human")["file"]

    assert (told["newer"], told["older"]) == (rows[0], rows[2])


def test_it_says_why_a_mail_was_understood_so(studio: Studio, complaint: int) -> None:
    page = studio.get(f"/replies/{complaint}").text

    assert "<mark>in pieces<sup>" in page
    assert re.search(r"<code>nad\.damaged</code> <b class=\"weight\">\+3\.0</b>", page)


def test_a_word_of_a_person_is_kept_followed_and_taken_back(studio: Studio) -> None:
    reply = receive(studio.app, letter("carmen@example.es", "Hm", "So so. Not what I hoped for."))
    here = f"/replies/{reply}"
    said = studio.act(
        f"{here}/judge", on=here, verdict="complaint", reason="nad.quality", severity="P1"
    )
    told = studio.json(f"{here}.json")["file"]
    case = told["case"]
    studio.act(f"{here}/take", on=here)
    taken = studio.json(f"{here}.json")["file"]["case_owner"]
    studio.act(f"{here}/judge", on=here, verdict="not-complaint")
    after = studio.json(f"{here}.json")["reply"]["intent"]
    studio.act(f"{here}/undo", on=here)

    assert f"case {case}" in said["said"]
    assert told["told"]["reply"]["reasons"] == ["nad.quality"]
    assert told["told"]["reply"]["severity"] == "P1"
    assert taken
    assert after != "complaint"
    assert studio.json(f"{here}.json")["file"]["judgement"] is None


def test_a_judgement_goes_back_to_the_same_list(studio: Studio, complaint: int) -> None:
    answer = studio.post(
        f"/replies/{complaint}/judge",
        on=f"/replies/{complaint}",
        verdict="complaint",
        intent="complaint",
    )
    assert answer.headers["location"] == f"/replies/{complaint}?intent=complaint"


def test_marketing_is_stopped_by_hand_and_a_case_is_opened(studio: Studio) -> None:
    reply = receive(studio.app, letter("fan@qq.com", "Hello", "Hello, nice weather today"))
    here = f"/replies/{reply}"
    stopped = studio.act(f"{here}/unsubscribe", on=here)
    opened = studio.act(
        f"{here}/open-case", on=here, customer="fan@qq.com", reason="svc.rude", order=""
    )

    assert "fan@qq.com" in stopped["said"]
    assert studio.json(f"{opened['to']}.json")["file"]["case"]["reason"] == "svc.rude"
    assert "by hand" in studio.get(opened["to"]).text


@pytest.mark.parametrize(
    ("act", "form"),
    [
        ("judge", {}),
        ("judge", {"verdict": "maybe"}),
        ("judge", {"verdict": "complaint", "reason": "no.such"}),
        ("judge", {"verdict": "complaint", "severity": "P7"}),
        ("undo", {}),
        ("open-case", {"customer": "nobody@example.net", "reason": "other"}),
        ("open-case", {"customer": "bob@outlook.com", "reason": "nothing"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_what_cannot_be_done_is_told(studio: Studio, act: str, form: dict[str, str]) -> None:
    reply = studio.json("/replies.json", intent="question")["rows"][0]["id"]
    answer = studio.post(f"/replies/{reply}/{act}", on=f"/replies/{reply}", **form)

    assert answer.status == 303
    assert 'class="said trouble"' in studio.get(f"/replies/{reply}").text


# ------------------------------------------------------------------ bytes


def test_the_html_of_a_letter_can_do_nothing(studio: Studio, with_html: int) -> None:
    answer = studio.get(f"/replies/{with_html}/mail.html")
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")
    assert "img-src data:;" in policy
    assert "http-equiv" not in answer.text
    assert "base href" not in answer.text
    assert "src='data:image/png;base64,iVBOR" in answer.text


def test_what_came_with_a_letter_is_shown_or_saved_never_run(
    studio: Studio, with_html: int
) -> None:
    enclosed = studio.json(f"/replies/{with_html}.json")["file"]["read"]["enclosed"]
    shown = studio.get(f"/replies/{with_html}/parts/1")
    saved = studio.get(f"/replies/{with_html}/parts/2")
    page = studio.get(f"/replies/{with_html}").text

    assert [one["is_picture"] for one in enclosed] == [True, False]
    assert (shown.headers["content-type"], shown.body) == ("image/png", PIXEL)
    assert saved.headers["content-type"] == "application/octet-stream"
    assert saved.headers["content-disposition"] == (
        f'attachment; filename="reply-{with_html}-2.html"'
    )
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.html" in page
    for number in ("0", "3", "x", "-1"):
        assert studio.get(f"/replies/{with_html}/parts/{number}").status == 404


def test_the_very_bytes_are_given(studio: Studio, with_html: int, complaint: int) -> None:
    answer = studio.get(f"/replies/{with_html}/mail.eml")

    assert answer.body.startswith(b"From: bob@outlook.com")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert studio.get(f"/replies/{complaint}/mail.eml").status == 404


def test_unreadable_mails_are_listed_and_read_once_more(studio: Studio) -> None:
    assert "no mail is in quarantine" in studio.get("/replies/quarantine").text
    answer = studio.post("/replies/quarantine/retry", on="/replies/learner", number="")
    assert answer.status == 303
    assert (
        studio.post("/replies/quarantine/retry", on="/replies/learner", number="999").status == 303
    )


def test_the_learner_says_how_it_stands(studio: Studio) -> None:
    assert "It learns from" in studio.get("/replies/learner").text
    assert studio.act("/replies/learner/train", on="/replies/learner")["said"]
