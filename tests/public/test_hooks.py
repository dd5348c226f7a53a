"""Webhooks of mail providers: real keys, documented shapes, and whoever only pretends."""

from __future__ import annotations

import base64
import gzip
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from crm_mailer.app import hook_watch
from crm_mailer.app import hooks as verbs
from crm_mailer.model.errors import NotFound
from crm_mailer.store import alerts, tables
from crm_mailer.web.serving import LOOPBACK
from tests.conftest import NOON
from tests.public.hook_site import CERTIFICATE_URL, SECRET, Site, customer_with_mail, site


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("hooks") / "shop") as served:
        yield served


def bounce(address: str, message_id: str, **changed: Any) -> dict[str, Any]:
    """A bounce of Amazon SES, as its documentation shows it."""
    return {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {
                    "emailAddress": address,
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
            ],
            "timestamp": "2026-11-02T11:59:00.000Z",
            "feedbackId": "0102018-000000",
            "reportingMTA": "dsn; a8-70.smtp-out.amazonses.com",
            **changed,
        },
        "mail": {
            "timestamp": "2026-11-01T12:00:00.000Z",
            "messageId": "0102018-ses-own-id",
            "source": "hello@shop.example",
            "destination": [address],
            "headers": [
                {"name": "Message-ID", "value": message_id},
                {"name": "Subject", "value": "We miss you"},
            ],
            "commonHeaders": {"messageId": message_id, "subject": "We miss you"},
        },
    }


def sendgrid_event(address: str, message_id: str, event: str, **more: Any) -> dict[str, Any]:
    return {
        "email": address,
        "timestamp": int(NOON.timestamp()) - 60,
        "smtp-id": message_id,
        "event": event,
        "sg_event_id": f"{event}-{address}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        **more,
    }


def mailgun_event(address: str, message_id: str, event: str, **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "id": f"{event}-{address}",
        "timestamp": NOON.timestamp() - 60.25,
        "recipient": address,
        "message": {"headers": {"to": address, "message-id": message_id.strip("<>")}},
        **more,
    }


# ------------------------------------------------------------------ what follows from events


def test_a_bounce_told_by_ses_gives_the_address_up_and_is_a_fact_of_the_mail(shop: Site) -> None:
    touch, message_id = customer_with_mail(shop, "ses-bounce@example.com")

    answer = shop.ses(bounce("ses-bounce@example.com", message_id))
    shop.digest()

    [fact] = [one for one in shop.rows(tables.bounces) if one.touch_id == touch]
    assert (answer.status, answer.json) == (200, {"status": "kept"})
    assert (fact.kind, fact.reason, fact.status) == ("hard", "userunknown", "5.1.1")
    assert ("ses-bounce@example.com", "hard_bounce") in shop.suppressed()


def test_a_complaint_told_by_ses_counts_as_a_spam_report_of_the_mail(shop: Site) -> None:
    touch, message_id = customer_with_mail(shop, "ses-complaint@example.com")
    told = {
        **bounce("ses-complaint@example.com", message_id),
        "notificationType": "Complaint",
        "complaint": {
            "complainedRecipients": [{"emailAddress": "ses-complaint@example.com"}],
            "timestamp": "2026-11-02T11:59:00.000Z",
            "complaintFeedbackType": "abuse",
            "arrivalDate": "2026-11-02T11:58:00.000Z",
        },
    }

    shop.ses(told, SignatureVersion="1")
    shop.digest()

    [report] = [one for one in shop.rows(tables.spam_reports) if one.touch_id == touch]
    assert report.feedback_type == "abuse"
    assert ("ses-complaint@example.com", "spam_report") in shop.suppressed()


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun", "postmark", "brevo"])
def test_a_dead_address_is_given_up_whoever_tells(shop: Site, provider: str) -> None:
    address = f"dead-{provider}@example.com"
    touch, message_id = customer_with_mail(shop, address)
    words = "550 5.1.1 The email account that you tried to reach does not exist."

    answer = {
        "sendgrid": lambda: shop.sendgrid(
            [sendgrid_event(address, message_id, "bounce", status="5.1.1", reason=words)]
        ),
        "mailgun": lambda: shop.mailgun(
            mailgun_event(
                address, message_id, "failed", severity="permanent", reason="bounce",
                **{"delivery-status": {"code": 550, "message": words[4:], "mx-host": "mx.example"}},
            )
        ),
        "postmark": lambda: shop.postmark(
            {
                "RecordType": "Bounce", "Type": "HardBounce", "TypeCode": 1, "ID": 42,
                "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Email": address,
                "Details": f"smtp;{words}", "BouncedAt": "2026-11-02T11:59:00Z",
                "Metadata": {}, "Content": f"Return-Path: <>\r\nMessage-ID: {message_id}\r\n",
            }
        ),
        "brevo": lambda: shop.brevo(
            {
                "event": "hard_bounce", "email": address, "id": 26224, "reason": words,
                "date": "2026-11-02 12:59:00", "ts_epoch": int(NOON.timestamp() - 60) * 1000,
                "message-id": message_id, "subject": "We miss you",
            }
        ),
    }[provider]()  # fmt: skip
    shop.digest()

    [fact] = [one for one in shop.rows(tables.bounces) if one.touch_id == touch]
    assert answer.status == 200
    assert (fact.kind, fact.reason) == ("hard", "userunknown")
    assert (address, "hard_bounce") in shop.suppressed()


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun", "postmark", "brevo"])
def test_a_complaint_stops_marketing_whoever_tells(shop: Site, provider: str) -> None:
    address = f"spam-{provider}@example.com"
    touch, message_id = customer_with_mail(shop, address)
    content = f"Message-ID: {message_id}\r\n"

    {
        "sendgrid": lambda: shop.sendgrid([sendgrid_event(address, message_id, "spamreport")]),
        "mailgun": lambda: shop.mailgun(mailgun_event(address, message_id, "complained")),
        "postmark": lambda: shop.postmark(
            {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "Email": address, "ID": 7,
             "BouncedAt": "2026-11-02T11:59:00Z", "Content": content}
        ),
        "brevo": lambda: shop.brevo({"event": "spam", "email": address, "message-id": message_id}),
    }[provider]()  # fmt: skip
    shop.digest()

    assert [one.touch_id for one in shop.rows(tables.spam_reports) if one.touch_id == touch]
    assert (address, "spam_report") in shop.suppressed()


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun", "postmark", "brevo"])
def test_an_unsubscription_at_the_provider_is_one_here(shop: Site, provider: str) -> None:
    address = f"stop-{provider}@example.com"

    {
        "sendgrid": lambda: shop.sendgrid([sendgrid_event(address, "", "group_unsubscribe")]),
        "mailgun": lambda: shop.mailgun(mailgun_event(address, "", "unsubscribed")),
        "postmark": lambda: shop.postmark(
            {"RecordType": "SubscriptionChange", "Recipient": address, "SuppressSending": True,
             "SuppressionReason": "ManualSuppression", "ChangedAt": "2026-11-02T11:59:00Z"}
        ),
        "brevo": lambda: shop.brevo({"event": "unsubscribed", "email": address}),
    }[provider]()  # fmt: skip
    shop.digest()

    assert (address, "unsubscribed") in shop.suppressed()


def test_delivered_settles_a_mail_in_doubt_and_opens_and_clicks_are_signals(shop: Site) -> None:
    touch, message_id = customer_with_mail(shop, "doubt@example.com")
    with shop.app.store.write() as connection:
        connection.execute(
            tables.touches.update().where(tables.touches.c.id == touch).values(state="in_doubt")
        )

    shop.sendgrid(
        [
            sendgrid_event("doubt@example.com", message_id, "delivered", response="250 OK"),
            sendgrid_event("doubt@example.com", message_id, "open", sg_machine_open=True),
            sendgrid_event("doubt@example.com", message_id, "click", url="https://shop.example/"),
        ]
    )
    shop.digest()

    [state] = [one.state for one in shop.rows(tables.touches) if one.id == touch]
    seen = {one.kind for one in shop.rows(tables.signals) if one.touch_id == touch}
    assert state == "accepted"
    assert seen == {"machine_open", "click"}


def test_a_full_mailbox_and_a_delay_give_nobody_up(shop: Site) -> None:
    _touch, message_id = customer_with_mail(shop, "full@example.com")

    shop.sendgrid([
        sendgrid_event("full@example.com", message_id, "bounce", status="5.2.2",
                       reason="552 5.2.2 mailbox full"),
        sendgrid_event("full@example.com", message_id, "deferred", response="451 later"),
    ])  # fmt: skip
    shop.digest()

    kinds = {one.kind for one in shop.rows(tables.bounces) if one.recipient == "full@example.com"}
    assert kinds == {"soft", "delay"}
    assert "full@example.com" not in {address for address, _reason in shop.suppressed()}


def test_an_event_that_is_told_again_in_another_request_acts_once(shop: Site) -> None:
    _touch, message_id = customer_with_mail(shop, "twice@example.com")
    event = sendgrid_event("twice@example.com", message_id, "spamreport")
    before = shop.count(tables.spam_reports)

    shop.sendgrid([event])
    shop.sendgrid([event, sendgrid_event("twice@example.com", message_id, "processed")])
    report = shop.digest()

    assert report.events["complaint"] == 1
    assert shop.count(tables.spam_reports) == before + 1


def test_the_same_request_again_is_known_and_not_kept_twice(shop: Site) -> None:
    body = {"event": "unsubscribed", "email": "again@example.com"}
    first, second = shop.brevo(body), shop.brevo(body)
    assert (first.json["status"], second.json["status"]) == ("kept", "known")


def test_a_token_made_by_a_stranger_proves_nothing(shop: Site) -> None:
    forged = f"<{'a' * 15}.{'b' * 16}@shop.example>"
    shop.sendgrid([sendgrid_event("nobody@example.com", forged, "bounce", reason="550 no user")])
    shop.digest()
    assert "nobody@example.com" not in {address for address, _reason in shop.suppressed()}


def test_a_subscription_is_confirmed_by_a_person_and_no_address_is_followed(shop: Site) -> None:
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336"

    answer = shop.ses("You have chosen to subscribe", Type="SubscriptionConfirmation", Token="2336",
                      SubscribeURL=url)  # fmt: skip
    shop.digest()

    [task] = [one for one in shop.rows(tables.tasks) if "confirm" in one.text]
    assert answer.status == 200
    assert (task.kind, url in task.text) == ("admin", True)


# ------------------------------------------------------------------ who only pretends


def forged_ses(shop: Site, **changed: Any) -> Any:
    """A good envelope of which something was changed after it was signed."""
    envelope = {**shop.envelope(bounce("victim@example.com", "<x@y>")), **changed}
    return shop.ask("/hooks/ses", json.dumps(envelope))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"Message": "{}"}, id="another message"),
        pytest.param({"MessageId": "other"}, id="another id"),
        pytest.param({"Signature": "AAAA"}, id="no signature"),
        pytest.param({"Signature": "!!"}, id="signature that is no base64"),
        pytest.param({"SignatureVersion": "3"}, id="unknown version"),
        pytest.param({"TopicArn": "arn:aws:sns:eu-west-1:666:evil"}, id="another topic"),
        pytest.param({"Type": "Party"}, id="unknown type"),
        pytest.param({"Timestamp": "2026-11-02T11:00:00.000Z"}, id="another time"),
    ],
)
def test_a_changed_envelope_is_refused(shop: Site, changed: dict[str, str]) -> None:
    before = shop.kept("ses")
    answer = forged_ses(shop, **changed)
    assert (answer.status, shop.kept("ses")) == (401, before)
    assert answer.json == {"error": "this request is not signed as it should be"}


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://sns.eu-west-1.amazonaws.com/x.pem", id="not encrypted"),
        pytest.param("https://sns.eu-west-1.amazonaws.com.evil.example/x.pem", id="longer host"),
        pytest.param("https://evil.example/sns.eu-west-1.amazonaws.com", id="in the path"),
        pytest.param("https://sns.eu-west-1.amazonaws.com@evil.example/", id="in the login"),
        pytest.param("https://[::1/x.pem", id="no address"),
        pytest.param("file:///etc/passwd", id="file"),
    ],
)
def test_a_certificate_elsewhere_is_not_looked_at(shop: Site, url: str) -> None:
    answer = shop.ses(bounce("victim@example.com", "<x@y>"), SigningCertURL=url)
    assert answer.status == 401


@pytest.mark.parametrize("hours", [-3, 1], ids=["old", "from the future"])
def test_an_envelope_of_another_time_is_refused(shop: Site, hours: int) -> None:
    at = NOON + timedelta(hours=hours)
    answer = shop.ses("{}", Timestamp=f"{at:%Y-%m-%dT%H:%M:%S.000Z}")
    assert answer.status == 401


def test_the_signature_of_another_topic_of_amazon_is_not_ours(shop: Site) -> None:
    answer = shop.ses(bounce("victim@example.com", "<x@y>"), TopicArn="arn:aws:sns:x:666:evil")
    assert answer.status == 401


@pytest.mark.parametrize("hours", [-26, 1], ids=["old", "from the future"])
def test_sendgrid_of_another_time_is_refused(shop: Site, hours: int) -> None:
    assert shop.sendgrid([], at=NOON + timedelta(hours=hours)).status == 401


def test_sendgrid_signed_by_another_key_is_refused(shop: Site) -> None:
    answer = shop.ask(
        "/hooks/sendgrid",
        "[]",
        X_Twilio_Email_Event_Webhook_Signature=base64.b64encode(b"0" * 70).decode(),
        X_Twilio_Email_Event_Webhook_Timestamp=str(int(NOON.timestamp())),
    )
    assert answer.status == 401


def test_a_signature_of_mailgun_cannot_be_used_for_another_event(shop: Site) -> None:
    block = shop.mailgun_block()
    first = shop.mailgun(mailgun_event("a@example.com", "", "delivered"), block)
    again = shop.mailgun(mailgun_event("a@example.com", "", "delivered"), block)
    other = shop.mailgun(mailgun_event("victim@example.com", "", "unsubscribed"), block)
    shop.digest()

    assert (first.status, again.status, other.status) == (200, 200, 401)
    assert "victim@example.com" not in {address for address, _reason in shop.suppressed()}


@pytest.mark.parametrize("hours", [-10, 1], ids=["old", "from the future"])
def test_mailgun_of_another_time_is_refused(shop: Site, hours: int) -> None:
    block = shop.mailgun_block(NOON + timedelta(hours=hours))
    assert shop.mailgun(mailgun_event("a@example.com", "", "delivered"), block).status == 401


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/hooks/postmark", {}),
        ("/hooks/postmark", {"authorization": "Basic !!!"}),
        ("/hooks/postmark", {"authorization": "Basic " + base64.b64encode(b"x:y").decode()}),
        ("/hooks/postmark", {"authorization": "Basic " + base64.b64encode(
            f"other:{SECRET}".encode()).decode()}),
        ("/hooks/brevo", {}),
        ("/hooks/brevo", {"authorization": "Bearer wrong"}),
        ("/hooks/brevo", {"authorization": "Bearer"}),
        ("/hooks/brevo/wrong", {}),
        (f"/hooks/brevo/{SECRET}x", {}),
        ("/hooks/shopify", {"X_Shopify_Topic": "orders/create"}),
        ("/hooks/shopify", {"X_Shopify_Hmac_Sha256": "AAAA"}),
        ("/hooks/woocommerce", {"X_WC_Webhook_Signature": "AAAA"}),
        ("/hooks/mailgun", {}),
        ("/hooks/ses", {}),
        ("/hooks/sendgrid", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value) or "nothing",
)  # fmt: skip
def test_who_shows_no_secret_is_turned_away(shop: Site, path: str, headers: dict[str, str]) -> None:
    answer = shop.ask(path, '{"event": "unsubscribed", "email": "victim@example.com"}', **headers)
    shop.digest()
    assert answer.status == 401
    assert "victim@example.com" not in {address for address, _reason in shop.suppressed()}


def test_a_wrong_secret_is_counted_for_the_shop_to_see(shop: Site) -> None:
    shop.clock.forward(seconds=20)
    shop.ask("/hooks/brevo/wrong", "{}")
    refused = {(one.source, one.reason) for one in verbs.overview(shop.app).refusals}
    assert ("brevo", "the secret is missing or wrong") in refused


def test_a_sender_whose_requests_are_turned_away_is_told_of_until_it_is_over(shop: Site) -> None:
    def causes() -> set[str]:
        hook_watch.tend(shop.app)
        with shop.app.store.read() as connection:
            return {one.cause for one in alerts.list_open(connection)} - {"hooks/unread"}

    told = [causes()]
    for _ in range(6):
        shop.clock.forward(minutes=1)
        shop.ask("/hooks/postmark", "{}", authorization="Bearer wrong")
    told.append(causes())
    shop.clock.forward(days=2)
    told.append(causes())
    shop.clock.moment = NOON
    assert told == [set(), {"hooks/refused/postmark"}, set()]


def test_brevo_may_show_its_secret_as_a_bearer_token(shop: Site) -> None:
    answer = shop.ask("/hooks/brevo", '{"event": "request"}', authorization=f"Bearer {SECRET}")
    assert answer.status == 200


@pytest.mark.parametrize("name", ["nobody", "erp", "ses2", "..%2fses", "%00", "ses%20"])
def test_an_unknown_sender_finds_nothing(shop: Site, name: str) -> None:
    assert shop.ask(f"/hooks/{name}", "{}").status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_taken(shop: Site, method: str) -> None:
    assert shop.ask("/hooks/brevo", None, method).status == 405


# ------------------------------------------------------------------ bodies that are made to hurt


def test_a_packed_body_is_not_unpacked(shop: Site) -> None:
    answer = shop.ask(
        f"/hooks/brevo/{SECRET}", gzip.compress(b"0" * 10_000_000), content_encoding="gzip"
    )
    assert answer.status == 415


def test_a_body_of_more_than_a_megabyte_is_not_read(shop: Site) -> None:
    assert shop.ask(f"/hooks/brevo/{SECRET}", b" " * (1024 * 1024 + 1)).status == 413


def test_a_body_that_lies_of_its_length_is_cut_off(shop: Site) -> None:
    with socket.create_connection((LOOPBACK, shop.port), timeout=20) as line:
        line.sendall(
            b"POST /hooks/brevo/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50000000\r\n\r\n"
        )
        assert line.recv(4096).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not json", id="no json"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, id="deep objects"),
        pytest.param(b"NaN", id="nan"),
        pytest.param(b"9" * 100_000, id="long number"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="empty list"),
        pytest.param(b'"text"', id="text"),
        pytest.param(b'{"event": {"a": 1}}', id="wrong type"),
        pytest.param(b'{"email": "a@example.com"}', id="without an event"),
    ],
)
def test_what_cannot_be_read_is_kept_listed_and_hinders_nobody(shop: Site, body: bytes) -> None:
    good = json.dumps({"event": "unsubscribed", "email": f"after-{shop.fresh()}@example.com"})

    answer = shop.ask(f"/hooks/brevo/{SECRET}", body)
    shop.ask(f"/hooks/brevo/{SECRET}", good)
    report = shop.digest()

    assert answer.status == 200
    assert (report.failed, report.events["unsubscribe"]) == (1, 1)
    assert len(verbs.overview(shop.app).failed) >= 1


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"event": "hard_bounce", "email": ["a"], "reason": {"x": 1}}, id="types"),
        pytest.param({"event": "hard_bounce", "email": "no address", "reason": "550"}, id="no @"),
        pytest.param({"event": "hard_bounce", "reason": "x" * 100_000, "email": "a@b.example"},
                     id="long"),
        pytest.param({"event": "spam", "email": "a@b.example\r\nBcc: victim@example.com"},
                     id="line break"),
        pytest.param({"event": "hard_bounce", "email": "<script>alert(1)</script>@b.example"},
                     id="script"),
        pytest.param({"event": "spam", "ts_epoch": 10**30, "email": "a@b.example"}, id="far time"),
        pytest.param({"event": "spam", "ts_epoch": -1, "email": "\udcff@b.ex"}, id="surrogate"),
        pytest.param({"event": "click", "link": "javascript:alert(1)", "email": ""}, id="link"),
    ],
)  # fmt: skip
def test_strange_fields_neither_break_nor_act(shop: Site, event: dict[str, Any]) -> None:
    before = shop.suppressed()
    assert shop.brevo(event).status == 200
    report = shop.digest()
    assert report.troubles == []
    assert shop.suppressed() == before


def test_a_request_that_was_set_aside_can_be_read_again(shop: Site) -> None:
    shop.ask(f"/hooks/brevo/{SECRET}", b"{ set aside")
    shop.digest()
    [newest, *_] = verbs.overview(shop.app).failed
    assert verbs.read_again(shop.app, newest.id).failed == 1


def test_old_bodies_are_let_go_and_what_became_of_them_stays(shop: Site) -> None:
    shop.brevo({"event": "unsubscribed", "email": "old@example.com"})
    hook_watch.tend(shop.app)
    before = sum(one.body is not None for one in shop.rows(tables.hook_requests))

    shop.clock.forward(days=31)
    hook_watch.tend(shop.app)
    shop.clock.moment = NOON

    kept = [one for one in shop.rows(tables.hook_requests) if one.state == "done"]
    assert before > 0
    assert [one for one in kept if one.body is not None] == []
    assert all(one.answer for one in kept)


def test_a_body_that_could_not_be_read_is_let_go_with_the_others(shop: Site) -> None:
    shop.ask(f"/hooks/brevo/{SECRET}", b'{"email": "a.person@example.com" ')
    hook_watch.tend(shop.app)
    [newest, *_] = verbs.overview(shop.app).failed

    shop.clock.forward(days=31)
    hook_watch.tend(shop.app)
    shop.clock.moment = NOON

    held = {one.id: one for one in shop.rows(tables.hook_requests)}[newest.id]
    assert (held.state, held.body) == ("failed", None)
    with pytest.raises(NotFound, match="let go"):
        verbs.read_again(shop.app, newest.id)


def test_garbage_of_any_shape_is_one_line_of_refusals(shop: Site) -> None:
    with capture_logs() as told:
        for number in range(12):
            shop.ask("/hooks/mailgun", b" " * number + b"x")
        shop.ask("/hooks/mailgun", b"[" * 100_000)
        shop.clock.forward(days=60)
        shop.ask("/hooks/mailgun", b"\xff")
        shop.clock.moment = NOON
    told = [one for one in told if one["event"] == "hook refused" and "JSON" in one["reason"]]

    found = {one.reason: one.times for one in verbs.overview(shop.app).refusals
             if one.source == "mailgun" and "JSON" in one.reason}  # fmt: skip
    assert found == {"the body is no JSON": 14}
    assert 1 <= len(told) <= 2
    assert sum(one["times"] for one in told) == 14


def test_the_certificate_that_ended_proves_nothing(shop: Site) -> None:
    shop.clock.forward(days=200)
    answer = shop.ses("{}", SigningCertURL=CERTIFICATE_URL)
    shop.clock.moment = NOON
    assert answer.status == 401
