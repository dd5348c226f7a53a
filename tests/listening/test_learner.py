"""The learner's tests teach it with sentences put together from parts, in several languages."""

from __future__ import annotations

import random
import time

import pytest

from crm_mailer.listening import learner, second_look
from crm_mailer.listening.complaints import Understanding
from crm_mailer.listening.learner import Judged, Model, chance, is_enough, may_call_off, rerank
from crm_mailer.model.reply import Evidence, Intent, Severity
from crm_mailer.store import learners
from crm_mailer.store.engine import Store
from tests.conftest import NOON

BAD = [
    "the glaze came off after a week", "this wobbles and nobody cares", "what a letdown, honestly",
    "colour bleeds on everything", "глазурь слезла через неделю", "ручка шатается, обидно",
    "разочарован покупкой", "se despinta todo", "qué chasco de compra", "la tapa baila",
    "die Farbe blättert ab", "schade ums Geld", "la peinture s'écaille", "quel gâchis",
    "掉漆严重", "做工太差劲", "盖子晃得厉害", "a tinta descasca", "que roubada",
]  # fmt: skip
GOOD = [
    "which size fits a family of four", "do you have it in blue", "thanks, see you next year",
    "can I pay with a card", "какой размер на четверых", "есть ли синий цвет", "спасибо за чай",
    "hay en color azul", "qué medida me recomienda", "gibt es das in Blau", "welche Größe passt",
    "existe en bleu", "quelle taille choisir", "有蓝色的吗", "四个人用多大的", "tem na cor azul",
    "please send the invoice", "как оплатить картой", "posso pagar com cartão",
]  # fmt: skip
FILLER = ["hello", "привет", "hola", "hallo", "bonjour", "你好", "olá", "regards", "order 1001", ""]


def judged(number: int, seed: int = 1) -> list[Judged]:
    dice = random.Random(seed)
    made = []
    for turn in range(number):
        is_complaint = turn % 2 == 0
        words = [
            dice.choice(FILLER),
            dice.choice(BAD if is_complaint else GOOD),
            dice.choice(FILLER),
        ]
        made.append(Judged(text=" ".join(words), is_complaint=is_complaint))
    return made


@pytest.fixture(scope="module")
def model() -> Model:
    return learner.train(judged(240))[0]


@pytest.mark.parametrize(
    ("number", "complaints", "enough"),
    [(199, 100, False), (200, 100, True), (200, 19, False), (200, 181, False), (200, 180, True)],
)
def test_it_learns_from_two_hundred_judgements_with_twenty_of_each(
    number: int, complaints: int, enough: bool
) -> None:
    assert is_enough(number, complaints) is enough


def test_what_it_learnt_holds_for_mails_it_has_not_seen(model: Model) -> None:
    unseen = judged(200, seed=2)

    right = [(chance(model, one.text) >= 0.5) == one.is_complaint for one in unseen]

    assert sum(right) / len(right) > 0.95


def test_the_figures_come_from_mails_it_was_not_trained_on() -> None:
    dice = random.Random(3)
    noise = [Judged(text=one.text, is_complaint=dice.random() < 0.5) for one in judged(300)]

    figures = learner.train(noise)[1]

    assert 0.35 < figures.auc < 0.65
    assert not figures.is_able


def test_mere_noise_moves_no_mail() -> None:
    dice = random.Random(4)
    noise = [Judged(text=one.text, is_complaint=dice.random() < 0.8) for one in judged(300)]
    model, _ = learner.train(noise)

    chances = [chance(model, one.text) for one in judged(200, seed=5)]

    assert all(learner.LOW < one < learner.HIGH for one in chances)


def test_the_same_judgements_give_the_same_weights() -> None:
    first, second = (learner.pack(learner.train(judged(200))[0]) for _turn in range(2))

    assert first == second


def test_it_takes_little_room_and_says_the_same_when_read_again(model: Model) -> None:
    kept = learner.pack(model)
    again = learner.unpack(kept)

    assert len(kept) < 1_000_000
    assert again is not None
    assert all(
        abs(chance(again, one.text) - chance(model, one.text)) < 0.01 for one in judged(50, seed=6)
    )


def test_weights_of_another_version_are_left_alone() -> None:
    assert learner.unpack(b"CML9" + bytes(40)) is None


def test_a_mail_is_looked_at_within_a_millisecond(model: Model) -> None:
    text = "The teapot arrived on time but глазурь слезла " * 100
    chance(model, text)

    best = min(_seconds(model, text) for _turn in range(20))

    assert best < 0.001


def _seconds(model: Model, text: str) -> float:
    start = time.perf_counter()
    chance(model, text)
    return time.perf_counter() - start


# ------------------------------------------------------------------ what it may change


def said(
    intent: Intent, *evidence: tuple[str, float], severity: Severity | None = None
) -> Understanding:
    codes = tuple(code for code, _ in evidence)
    return Understanding(
        intent=intent,
        reasons=codes if severity else (),
        severity=severity,
        evidence=tuple(Evidence(code=code, weight=weight, words="w") for code, weight in evidence),
    )


def test_a_high_chance_makes_a_complaint_that_says_why() -> None:
    after = rerank(said(Intent.OTHER), 0.93)

    assert (after.intent, after.reasons, after.severity) == (
        Intent.COMPLAINT, ("other",), Severity.P3,
    )  # fmt: skip
    assert after.evidence[-1].words == "learner 0.93"


def test_a_raised_mail_takes_the_reason_of_its_hints() -> None:
    after = rerank(said(Intent.QUESTION, ("nad.quality", 1.0), ("ask.return", 0.0)), 0.95)

    assert (after.reasons[0], after.severity) == ("nad.quality", Severity.P2)


def test_a_very_low_chance_calls_a_false_alarm_off() -> None:
    unhappy = said(Intent.COMPLAINT, ("other", 0.0), ("question", -0.5), severity=Severity.P3)

    after = rerank(unhappy, 0.01)

    assert (after.intent, after.severity, after.reasons) == (Intent.QUESTION, None, ())
    assert second_look.chance_of(after) == 0.01


def test_a_chance_in_between_changes_nothing_but_the_evidence() -> None:
    unhappy = said(Intent.COMPLAINT, ("svc.rude", 3.0), severity=Severity.P3)

    after = rerank(unhappy, 0.5)

    assert (after.intent, after.severity) == (Intent.COMPLAINT, Severity.P3)


@pytest.mark.parametrize("code", ["threat.legal", "threat.dispute", "safety", "privacy"])
@pytest.mark.parametrize("weight", [1.0, 5.0])
def test_no_chance_hides_a_p1(code: str, weight: float) -> None:
    grave = said(Intent.COMPLAINT, (code, weight), severity=Severity.P1)

    assert not may_call_off(grave)
    assert rerank(grave, 0.0).intent is Intent.COMPLAINT


def test_a_sure_p2_is_not_hidden_and_a_mere_hint_of_one_may_be() -> None:
    sure = said(Intent.COMPLAINT, ("nad.damaged", 3.0), severity=Severity.P2)
    hint = said(Intent.COMPLAINT, ("nad.damaged", 1.0), ("displeasure", 1.0), severity=Severity.P2)

    assert rerank(sure, 0.0).intent is Intent.COMPLAINT
    assert rerank(hint, 0.0).intent is not Intent.COMPLAINT


def test_without_a_learner_nothing_is_added(store: Store) -> None:
    before = said(Intent.OTHER)

    with store.read() as connection:
        assert second_look.take(connection, before, "what a letdown, honestly") == before


@pytest.mark.parametrize(
    ("number", "is_on", "is_asked"), [(200, True, True), (199, True, False), (200, False, False)]
)
def test_it_is_off_at_199_judgements(
    store: Store, model: Model, number: int, is_on: bool, is_asked: bool
) -> None:
    stamp = learners.Stamp(
        trained_at=NOON, judged=number, figures={"is_on": is_on, "digest": f"d{number}{is_on}"}
    )
    with store.write() as connection:
        learners.put(connection, learners.COMPLAINTS, stamp, learner.pack(model))
        after = second_look.take(connection, said(Intent.OTHER), "what a letdown, honestly")

    assert (second_look.chance_of(after) is not None) is is_asked
    assert (after.intent is Intent.COMPLAINT) is is_asked
