from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from crm_mailer import cli
from crm_mailer.app import App
from crm_mailer.app import cases as verbs
from crm_mailer.cli import show
from tests.learning.shop import NOW, SmallShop

HAN = re.compile("[\u4e00-\u9fff]")
#: What libraries say: they know English only.
OF_LIBRARIES = (
    "An email address must have an @-sign.",
    "Could not parse SQLAlchemy URL from given URL string",
    "Expecting value: line 1 column 1 (char 0)",
)
#: Words that may stay: what is quoted, a command, a place.
KEPT = re.compile(
    r"`[^`]*`|可用的原因：[a-z._ ]*|'[^'\n]*'|crm-mailer(?: [a-z-]+)*|\S*/\S*|"
    + "|".join(map(re.escape, OF_LIBRARIES))
)
#: Four words of English in a row.
ENGLISH = re.compile(r"(?:\b[a-z]{2,} ){3,}[a-z]{2,}\b")

#: What a person may get wrong, by group. FILE is a file with nothing sensible in it, SHOP a folder.
WRONG = {
    "names that are none": (
        "stauts",
        "case shwo 1",
        "campaign lst",
        "outbox doubt resolv",
        "studio user ad Ann",
        "case list --stat new",
        "plan no-such-campaign",
        "apply no-such-campaign --yes",
        "preview no-such-campaign",
        "preview welcome --step 99 --text",
        "test-send no-such-campaign --to me@example.com",
        "campaign show no-such-campaign",
        "campaign results no-such-campaign",
        "campaign release no-such-campaign",
        "pause --campaign no-such-campaign",
        "resume --campaign no-such-campaign",
        "pause --account nobody",
        "pause --lane odd",
        "segment show no-such-segment",
        "segment count no-such-segment",
        "segment explain no-such-segment --customer anna@example.com",
        "segment export no-such-segment",
        "segment report no-such-segment",
        "curve show no-such-curve",
        "benefit show no-such-benefit",
        "benefit export no-such-benefit",
        "benefit load no-such-benefit FILE",
        "rfm try no-such-profile",
        "rfm history nobody@example.com",
        "customer show nobody@example.com",
        "customer explain nobody@example.com",
        "customer why-not nobody@example.com welcome",
        "customer set nobody@example.com --language ru",
        "customer list --segment no-such-segment",
        "customer note nobody@example.com text",
        "customer flag add nobody@example.com why",
        "case show 99",
        "case assign 99 Ann",
        "case reply 99",
        "case reply 1 --template no-such-reply",
        "case answer 99",
        "case done 99",
        "case merge 1 99",
        "case unpaid Z-9 price",
        "report worklist no-such-list",
        "outbox show 99",
        "outbox cancel no-such-campaign --yes",
        "outbox retry no-such-campaign",
        "outbox webhooks --replay 99",
        "outbox webhooks --enable no-such-place",
        "outbox list --campaign no-such-campaign",
        "outbox doubt resolve 99 --sent",
        "inbox show 99",
        "inbox explain 99",
        "inbox retry 99",
        "inbox judge 99 complaint",
        "listen --mailbox no-such-box",
        "studio user remove Nobody",
        "studio user role Nobody --role admin",
        "privacy export nobody@example.com",
        "privacy erase nobody@example.com --confirm nobody@example.com",
        "check --explain CRM999",
        "import orders FILE --map no-such-map",
        "import orders FILE --platform no-such-platform",
    ),
    "values that are none": (
        "case show one",
        "case show 0",
        "case list --limit 0",
        "case list --limit many",
        "case list --state odd",
        "case unpaid A-1 odd",
        "case close 1 --satisfaction 9",
        "case choose 1 refund --amount much",
        "case dispute 1 --deadline soon",
        "case open --customer anna@example.com --reason odd.reason",
        "case set 1 --reason odd.reason",
        "case evidence 1 --link not-a-link",
        "case evidence 1 --file /nowhere/at-all.png",
        "customer set anna@example.com --birthday 31-31",
        "customer set anna@example.com --language klingon",
        "customer set anna@example.com --country Atlantis",
        "customer set anna@example.com --email no-address",
        "customer set anna@example.com --time-zone Moon/Base",
        "customer review anna@example.com fine --stars 7",
        "customer consent anna@example.com --yes --on yesterday",
        "curve show --signals odd",
        "curve show --signals none,none --decay x",
        "campaign hours --customer nobody@example.com",
        "new campaign thing --from no-such-template",
        "plan --on someday",
        "simulate --from 2026-12-01 --to 2026-11-01",
        "db archive --before 2026",
        "db reconcile --since someday",
        "outbox list --since someday",
        "run --roles odd",
        "studio --port 99999",
        "report health --from 2026-13-01",
        "report health --from 2026-11-20 --until 2026-11-01",
        "pause --campaign",
        "privacy inventory --year 1066",
    ),
    "files that are none": (
        "import orders /nowhere/orders.csv",
        "import orders FILE",
        "import customers FILE",
        "import reviews FILE",
        "import ratings FILE",
        "import suppressions /nowhere/list.csv",
        "import orders SHOP",
        "segment import /nowhere/list.txt",
        "segment import FILE --id 'Not A Name'",
        "segment count /nowhere/at-all.yaml",
        "db restore /nowhere/shop.sqlite",
        "db restore FILE",
        "db backup /nowhere/at/all/shop.sqlite",
        "db copy /nowhere/a.sqlite /nowhere/b.sqlite",
        "apply FILE --yes",
        "plan --diff /nowhere/plan.json",
        "plan --diff FILE",
        "benefit load welcome-coupon /nowhere/codes.txt",
        "inbox classify /nowhere/mail.eml",
        "outbox doubt --postfix-log /nowhere/mail.log",
        "case export 1 /nowhere/at/all.html",
        "case export 1 FILE",
        "case reply 1 --text /nowhere/words.txt",
        "privacy export anna@example.com --out /nowhere/at/all.zip",
        "report health --xlsx /nowhere/at/all.xlsx",
        "report health --xlsx FILE",
        "studio user add Ann --role admin --password-file /nowhere/password",
        "preview welcome --eml /nowhere/at/all.eml",
        "preview welcome --html /nowhere/at/all.html",
        "--home FILE status",
    ),
    "what is missing": (
        "case show",
        "case note 1",
        "case offer 1",
        "case open",
        "customer set anna@example.com",
        "customer flag add anna@example.com",
        "benefit approve welcome-coupon",
        "benefit load",
        "curve show",
        "inbox retry",
        "inbox judge 1",
        "outbox doubt resolve 1",
        "outbox doubt resolve --sent --all",
        "outbox cancel --yes",
        "preview",
        "import orders",
        "studio user add",
        "init",
        "new segment",
        "db copy",
        "test-send welcome",
        "test-send welcome --to no-address",
    ),
    "what is too much": (
        "case show 1 2",
        "case show 1 2 3",
        "case list --json=yes",
        "init there --system",
        "rfm --customer anna@example.com --as-of 2026-11-01",
        "curve show unpaid --customer anna@example.com",
        "preview welcome --all-languages --to me@example.com",
        "customer set anna@example.com --birthday 1990-02-28 --no-birth-year",
        "pause --campaign welcome --lane marketing",
    ),
    "what cannot be done now": (
        "case reopen 1",
        "case merge 1 1",
        "case done 1",
        "customer unsuppress anna@example.com why",
        "customer flag remove anna@example.com why",
        "privacy erase anna@example.com --confirm somebody",
        "privacy erase anna@example.com --confirm anna@example.com",
        "listen",
        "new segment buyers-of-brazil --from no-such-one",
        "inbox reconcile",
        "db reconcile --yes",
    ),
}  # fmt: skip


@pytest.fixture
def home(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop with one customer, two orders and a case; a reader of Chinese looks at it."""
    shop = SmallShop(app.store)
    evidence = [{"code": "nad.damaged", "weight": 3.0, "words": "in pieces"}]
    shop.wrote("complaint", "nad.damaged", own_text="It came in pieces!", evidence=evidence)
    verbs.learn(app)
    (tmp_path / "odd.txt").write_bytes(b"\x00\x01 nothing sensible\n")
    monkeypatch.setenv("CRM_MAILER_CLOCK", NOW.isoformat())
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "zh_CN")
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.chdir(tmp_path)
    return app.home


def told(home: Path, words: str, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of a command and what it says on stderr."""
    arguments = [
        {"FILE": "odd.txt", "SHOP": str(home)}.get(word, word) for word in shlex.split(words)
    ]
    show.err.cache_clear()
    capfd.readouterr()
    before = [] if "--home" in arguments else ["--home", str(home)]
    code = cli._run([*before, *arguments])
    return code, capfd.readouterr().err


@pytest.mark.parametrize("group", WRONG)
def test_what_is_wrong_is_told_in_chinese(
    group: str, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = {words: why for words in WRONG[group] if (why := _faults(*told(home, words, capfd)))}
    assert odd == {}


def _faults(code: int, said: str) -> str:
    """What a reader of Chinese would complain about."""
    talk = "\n".join(line for line in said.splitlines() if not line.startswith("沙盒模式"))
    message, _hint, remedy = talk.partition("建议：")
    if code in (0, 70):
        return f"ended with {code}: {said}"
    is_english = not HAN.search(remedy) and re.search("[a-z]{2}", KEPT.sub("", remedy))
    if is_english or not HAN.search(message.replace("错误：", "")):
        return f"is not Chinese: {talk}"
    return "; ".join(line for line in talk.splitlines() if ENGLISH.search(KEPT.sub("~", line)))
