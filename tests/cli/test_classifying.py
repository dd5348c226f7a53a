from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crm_mailer.cli import group
from crm_mailer.model.errors import NotFound
from tests.cli.conftest import Run

KEYS = [
    "kind", "intent", "reasons", "severity", "asks", "own_text", "language", "score", "evidence",
]  # fmt: skip


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CRM_MAILER_HOME", raising=False)
    return tmp_path


def classify(*arguments: str, input: str | bytes | None = None) -> Result:
    return CliRunner().invoke(group, ["inbox", "classify", *arguments], input=input)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("nowhere")
def test_json_lines_are_understood_without_a_shop() -> None:
    result = classify("-", "--json", input=(
        '{"subject": "Re: sale", "body": "The cup arrived broken. I want a refund."}\n'
        '\n'
        '{"body": "¿Dónde encuentro el número de seguimiento?", "lang": "es"}\n'
        '{"subject": "unsubscribe", "body": ""}\n'
    ))  # fmt: skip

    complaint, question, stop = lines(result)
    assert result.exit_code == 0
    assert list(complaint) == KEYS
    assert (complaint["kind"], complaint["reasons"]) == ("complaint", ["nad.damaged"])
    assert (complaint["severity"], complaint["asks"]) == ("P2", "refund")
    assert complaint["evidence"][0] == {
        "code": "nad.damaged", "weight": 3.0, "words": "arrived broken",
    }  # fmt: skip
    assert (question["kind"], question["intent"]) == ("question", "ask.tracking")
    assert (question["language"], question["reasons"]) == ("es", [])
    assert stop["kind"] == "unsubscribe"


def test_mails_in_files_are_read_and_quotes_left_out(nowhere: Path) -> None:
    (nowhere / "a.eml").write_bytes(
        b"From: anna@example.com\r\nSubject: Re: hello\r\n\r\n"
        b"Thank you, I love it!\r\n\r\n> we are sorry that the parcel never arrived\r\n"
    )
    (nowhere / "b.eml").write_bytes(
        b"From: MAILER-DAEMON@example.com\r\nSubject: Undelivered Mail\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
        b"Final-Recipient: rfc822; gone@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        b"Diagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n--b--\r\n"
    )

    praise, bounce = lines(classify("a.eml", "b.eml", "--json"))

    assert (praise["kind"], praise["own_text"]) == ("praise", "Thank you, I love it!")
    assert bounce["kind"] == "bounce"
    assert "gone@example.com" in bounce["evidence"][0]["words"]


def test_what_cannot_be_read_is_told_and_the_rest_is_done(nowhere: Path) -> None:
    (nowhere / "x.jsonl").write_bytes(
        b'{"body": "Where is it?"}\n{"body": 5}\nno json\n{"body": "\xff"}\n{"body": "Thanks!"}\n'
    )
    (nowhere / "empty.eml").write_bytes(b"")

    result = classify("x.jsonl", "missing.eml", "empty.eml", ".", "--json")

    said = " ".join(result.stderr.split())
    assert result.exit_code == 1
    assert len(lines(result)) == 2
    for where in ("x.jsonl:2: has no text `body`", "x.jsonl:3: is not JSON",
                  "x.jsonl:4: is not UTF-8", "missing.eml: cannot be read", "empty.eml: is empty",
                  ".: cannot be read"):  # fmt: skip
        assert where in said
    assert said.count("a line is such as") == 1


@pytest.mark.usefixtures("nowhere")
def test_a_plain_cancellation_is_neither_question_nor_complaint() -> None:
    (one,) = lines(classify("-", "--json", input='{"body": "Please cancel my order 12."}\n'))

    assert (one["kind"], one["intent"]) == ("other", "ask.cancel")


def test_a_shops_words_are_used_in_a_shop(run: Run, shop_home: Path) -> None:
    (shop_home / "words").mkdir()
    (shop_home / "words" / "complaints.en.yaml").write_text(
        "language: en\nreasons:\n  shop.wick: {severity: P2, text: no wick}\n"
        "signs:\n  shop.wick: {sure: [the wick is gone]}\n"
    )

    (one,) = lines(run("inbox", "classify", "-", "--json", input='{"body": "The wick is gone"}\n'))

    assert one["reasons"] == ["shop.wick"]


@pytest.mark.usefixtures("nowhere")
def test_a_named_folder_that_is_no_shop_is_refused() -> None:
    result = CliRunner().invoke(group, ["--home", "here", "inbox", "classify", "-"], input="")

    assert isinstance(result.exception, NotFound)


@pytest.mark.usefixtures("nowhere")
def test_without_json_a_person_reads_one_line_for_each_mail() -> None:
    result = classify("-", input='{"body": "The cup arrived broken"}\n')

    assert result.stdout == "complaint P2 nad.damaged: The cup arrived broken\n"
