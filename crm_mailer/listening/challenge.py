"""Mails that ask us to prove that a person wrote: nobody reads our mail before that."""

from __future__ import annotations

import re

from crm_mailer.listening.letters import Letter
from crm_mailer.model.reply import Evidence

#: What is looked at: such mails say it at once.
LENGTH = 3_000

_SENDERS = re.compile(
    r"@(?:[\w-]+\.)*(?:boxbe|spamarrest|mailinblack|bluebottle|knowspam|sendio|choicemail|qurb|"
    r"spamlion|mailblocks|digiportal|cleanmail|zerospam|captchamail|chooseyouremail|"
    r"emailverifier)\.",
    re.IGNORECASE,
)
_HEADERS = re.compile(r"^x-(?:tmda|challenge|boxbe|boxtrapper|spamarrest|mailinblack|asknot)")
_SUBJECT = re.compile(
    r"(?:please )?(?:confirm|verify|validate|authenticate|authorize) (?:your|that you|you are|"
    r"the)\b.{0,40}"
    r"(?:message|mail|sender|human|delivery|e-?mail|address|identity)|\bchallenge.?response\b|"
    r"^\W*(?:sender|e-?mail) (?:verification|authentication|confirmation) (?:required|needed|"
    r"request)|"
    r"\(action required\)$|action required to deliver|your (?:message|e-?mail) (?:is|"
    r"was) (?:awaiting|"
    r"held|quarantined|on hold)|^\W*\[?(?:spam ?arrest|boxtrapper|boxbe|tmda)\b|"
    r"подтвердите,? (?:отправку|доставку|что вы|адрес отправителя)|confirme (?:su|seu|o envio|"
    r"el env[ií]o)|"
    r"confirmez (?:l'envoi|votre (?:message|envoi|adresse))|bestätigen sie (?:ihre|den versand|"
    r"dass sie)|"
    r"请确认(?:您的)?(?:邮件|郵件|发送|身份)|发件人(?:身份)?验证|送信者(?:の)?確認|발신자 (?:확인|"
    r"인증)",
    re.IGNORECASE,
)
#: What a text of the kind says: do this, and then your mail will arrive.
_DO = re.compile(
    r"\b(?:confirm|verify|prove|validate|authenticate|authorize|request permission|captcha|"
    r"click (?:the|on|this|here|below)|follow (?:the|this) link|reply to this|"
    r"подтверд\w+|перейдите по ссылке|нажмите|confirm[ae]r?|verifi\w+|confirmez|confirmer|cliquez|"
    r"bestätigen|klicken|conferm\w+|bevestig\w*|potwierdz\w*|kliknij)\b|确认|验证|點擊|点击|確認|"
    r"인증",
    re.IGNORECASE,
)
_WHY = re.compile(
    r"\b(?:you are (?:a )?(?:human|real|person)|not a (?:robot|spammer|machine|bot)|real person|"
    r"(?:your )?(?:message|e-?mail|mail) (?:will|can|to|has|is) (?:not |then |only )?(?:be |been |"
    r"being )?"
    r"(?:delivered|released|held|deliver|reach)|"
    r"(?:guest|approved|safe|allow|white) ?list|anti-?spam (?:system|service|software|protection)|"
    r"unknown sender|first time (?:that )?you|one-time|unsolicited|"
    r"вы (?:не )?(?:робот|человек)|письмо (?:будет )?(?:доставлено|задержано)|белый список|"
    r"no es (?:un )?(?:robot|spam)|ser[áa] entregad\w+|não é um robô|lista blanca|"
    r"pas un (?:robot|spam)|sera (?:délivré|remis|livré)|liste blanche|antispam|"
    r"kein (?:roboter|spam)|zugestellt|non sei un robot|recapitat\w+)\b|"
    r"不是机器人|反垃圾|白名单|将被投递|投递|迷惑メール|스팸",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?://|mailto:|\breply\b", re.IGNORECASE)
_REPLY_PREFIX = re.compile(r"^\s*(?:re|aw|sv|rv|res|ответ|回复|答复)\s*[:：]", re.IGNORECASE)


def evidence(letter: Letter, own_text: str) -> Evidence | None:
    """Why this mail is a challenge: its program, its subject, or a text that asks for proof.

    A person who answers one (`Re: Please confirm your message`) is none.
    """
    if header := next((name for name in letter.first if _HEADERS.match(name)), ""):
        return Evidence(code="challenge.header", weight=5.0, words=header)
    if _SENDERS.search(letter.sender):
        return Evidence(code="challenge.sender", weight=4.0, words=letter.sender)
    subject = None if _REPLY_PREFIX.match(letter.subject) else _SUBJECT.search(letter.subject)
    is_machine = bool(letter.get("precedence") or letter.get("auto-submitted"))
    if subject is None and not is_machine:
        return None  # most mail: nothing more is looked at
    text = own_text[:LENGTH]
    do, why = _DO.search(text), _WHY.search(text)
    has_link = _LINK.search(text) is not None
    if subject is not None and (why is not None or (do is not None and has_link)):
        return Evidence(code="challenge.subject", weight=4.0, words=subject[0][:120])
    if do is not None and why is not None and has_link and is_machine:
        return Evidence(code="challenge.text", weight=3.0, words=f"{do[0]}; {why[0]}")
    return None
