from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import inbox
from crm_mailer.definitions.words_reader import read_words

ROOT = Path(__file__).resolve().parents[2]


def labelled(folder: Path, name: str, text: str, **label: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    with (folder / "labels.jsonl").open("a") as file:
        file.write(json.dumps({"file": name, **label}) + "\n")


def test_each_group_that_is_there_is_measured_and_the_others_are_left_out(tmp_path: Path) -> None:
    quotes, messages = tmp_path / "quotes" / "ours", tmp_path / "messages"
    labelled(quotes, "1.txt", "Yes\n\n> Did it come?", expected="Yes", match="exact")
    labelled(quotes, "2.txt", "Yes, it did.", expected="No", match="exact")
    messages.mkdir()
    (messages / "ours.jsonl").write_text('{"text": "Do you ship to Peru?"}\n')

    found = inbox.measure(tmp_path, read_words())

    assert found["quotes"] == {"exact": 0.5, "near": 0.5, "emptied": 0, "texts": 2}
    assert found["messages"] == {"ours_alarms": 0.0}
    assert "bounce" not in found
    assert "malformed" not in found


def test_the_bodies_of_broken_mails_are_held_against_each_form_of_label(tmp_path: Path) -> None:
    folder = tmp_path / "malformed" / "ours"
    mail = "Subject: x\nContent-Type: text/plain\n\nhello there\n"
    labelled(folder, "1.eml", mail, expected_json="1.json")
    labelled(folder, "2.eml", mail, expected_json="2.json")
    for name, text in (("1.json", "hello there\n"), ("2.json", "something else")):
        part = {"body": {"Text": text}}
        (folder / name).write_text(json.dumps({"parts": [part], "text_body": [0]}))

    found = inbox.measure(tmp_path, read_words())

    told = found["malformed"]
    assert isinstance(told, dict)
    assert (told["bodies"], told["crashes"]) == (0.5, 0)


def test_the_last_line_is_one_json_object(tmp_path: Path) -> None:
    labelled(tmp_path / "quotes" / "ours", "1.txt", "Yes", expected="Yes", match="exact")

    done = subprocess.run(
        [sys.executable, "benchmarks/inbox.py", str(tmp_path)],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    last = json.loads(done.stdout.splitlines()[-1])

    assert last["quotes"]["exact"] == 1.0
    assert last["auto"]["with_headers"] >= 0.95
    assert last["per_s"] > 0


def test_a_folder_that_is_not_there_is_an_error_with_a_hint() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/inbox.py", "/no/such/folder"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert b"is no folder" in done.stderr
