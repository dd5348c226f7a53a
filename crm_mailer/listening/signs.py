"""Finds the signs of the word files in a text: one look for all phrases of a language at once."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from crm_mailer.listening.guards import Guarded
from crm_mailer.listening.phrases import Phrase, compile_phrase, fold
from crm_mailer.model.words import Lexicon, Sign, Words

#: How many words before a sign may turn it into its opposite; in Chinese, characters.
WINDOW = CJK_WINDOW = 3
#: How many before it may make it a mere case ("if it ever breaks").
CASE_WINDOW, CJK_CASE_WINDOW = 6, 8
#: What a negation or a condition before it can undo: facts, not feelings or threats.
FACTS = ("nr.", "nad.", "order.", "pay.", "safety", "displeasure", "praise", "svc.rude")
#: Written without blanks, or with little words grown together: found anywhere.
UNSPACED = {"zh", "ar"}

_CLAUSE_END = re.compile(r"[.!?;:。！？；，,،؟]|\n\s*\n|\b(?:but|aber|mais|pero|mas|ma|ale|но)\b")
#: What a list of words of feeling says: one of them may hold a "not", the others do not.
_FEELINGS = {"displeasure", "svc.rude"}
#: After a word of denial: "not only broken".
_ONLY = frozenset(
    "only just merely simply только просто solo solamente simplemente so apenas somente "
    "simplesmente seulement simplement juste nur bloss einfach tylko soltanto".split()
)
#: With one of these before them, words of degree say "more than ever": "never so disappointed".
_NEVER = frozenset(
    "never haven't hasn't hadn't nie niemals nunca jamas jamais mai nigdy никогда разу".split()
)
_DEGREE = frozenset(
    "so this such as more derart derartig dermasen solch solche solchen solcher solches tan tanto "
    "tanta tantos tantas tao aussi si autant tant tellement cosi tak taki taka takie takiego "
    "takiej bardziej так такой такая такое такие такого такую таким столь настолько более".split()
)
#: Those that may follow: "nunca me decepcionaron tanto".
_DEGREE_AFTER = frozenset("tanto tant autant cosi tak так".split())
_CJK_DEGREE = ("这么", "那么", "如此", "这样")
#: Asked about before buying: "does it run small?"
_ASKED_ABOUT = {"order.size", "safety"}
_ASKS = re.compile(r"[^.!?;:。！？；，,،؟]{0,40}[?？؟]")
_SENTENCE_END = re.compile(r"[.!?。！？؟]\s|\n")
_ASKING = re.compile(r"[^.!?。！？؟\n]{0,160}[?？؟]")
#: An allergy one has is told in a question of what goods are made of ...
_ALLERGY = re.compile("all?erg|аллерг|过敏|حساسي|uczul")
_ASKED_BEFORE = re.compile(r"[?？؟]\s*(?:[\w']+[ ,]+){0,4}$")
#: ... one that goods gave is told with what came first, or with what it looks like.
_GIVEN = re.compile(
    r"\b(?:after|since|from your|because|nach|seit|durch|wegen|(?:von|auf) (?:ihr|eur|der |dem )"
    r"|bekommen|bekam|ausgelost|reagier|jetzt|plotzlich|rot|geschwollen|blasen|depuis|apres|cause"
    r"|a votre|de votre|devenu|maintenant|rouge|gonfl|desde|tras|despues|a su|por (?:su|causa)"
    r"|ahora|roj[ao]|hinchad|depois|apos|agora|vermelh|inchad|ao seu|do seu|после|от (?:ваш|эт)"
    r"|из-за|нача|появи|пошла|вызва|выскоч|ваш(?:его|ей|у)|теперь|распух|опух|красн|сыпь"
    r"|po|od|dosta|teraz|spuch|czerwon|بعد|بسبب|الان"
    r"|benutz|gebrauch|verwend|us[eo]|utilis|польз|uzy|arzt|kranken|medic|medec|doctor|hospital"
    r"|hopital|urgenc|врач|больни|lekar|szpital|مستشف|was nun|que hago|que faire|делать|zahl|paga"
    r"|pay|деньг)|后|用了|引起|导致|红|肿|痒|疹|医|退|怎么办"
)
_WORD = re.compile(r"\w+")
#: What a word in every other text weighs in the choice of a key, counted in phrases.
_EVERYWHERE = 30
_TERM = re.compile(r"[\w'-]+")
#: So many words are remembered with what rules have of them.
_MOST_KNOWN = 50_000


@dataclass(frozen=True, slots=True)
class Rule:
    """A sign with its phrase made ready."""

    sign: Sign
    phrase: Phrase
    #: Sure ones first, then in the order of the file: the first that is found speaks for its code.
    rank: int
    #: The phrase itself says "not": a negation before it is part of it.
    is_negative: bool
    is_fact: bool
    #: What a text is tried at; empty: everywhere.
    firsts: tuple[str, ...]
    #: A text that holds it has one of each group among its words.
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A sign that was found, and where in the text."""

    sign: Sign
    start: int
    end: int
    #: Only asked about: "does it come apart?"
    is_asked: bool = False

    @property
    def strength(self) -> bool:
        """Whether it speaks for itself."""
        return self.sign.is_sure and not self.is_asked


class Table:
    """The signs of one language, indexed by their rarest words."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.language = lexicon.language
        self.is_spaced = lexicon.language not in UNSPACED
        self.negators = frozenset(fold(word).rstrip("*") for word in lexicon.negators)
        #: "Nie" is a plain "not" in Polish.
        self._nevers = _NEVER - {"nie"} if lexicon.language == "pl" else _NEVER
        self._condition = _condition(lexicon.conditions, self.is_spaced)
        self._opener = _opener(lexicon.openers)
        said = [sign for sign in lexicon.signs if not sign.is_exception]
        said.sort(key=lambda sign: not sign.is_sure)
        self.rules = tuple(self._rule(sign, rank) for rank, sign in enumerate(said))
        self._exceptions: dict[str, list[Phrase]] = defaultdict(list)
        for sign in lexicon.signs:
            if sign.is_exception:
                self._exceptions[sign.code].append(compile_phrase(sign.phrase))
        self._always: list[Rule] = []
        self._by_key: dict[str, list[Rule]] = defaultdict(list)
        how_often = self._how_often(lexicon.stop_words)
        for rule in self.rules:
            keys = min(rule.groups, key=lambda group: sum(how_often[w] for w in group), default=())
            self._always += [] if keys else [rule]
            for key in keys:
                self._by_key[key].append(rule)
        words = {word for rule in self.rules for group in rule.groups for word in group}
        words |= {first for rule in self.rules for first in rule.firsts}
        stems = {word for word in words if word.endswith("*")}
        self._words = words - stems
        self._stems = {stem[:-1]: stem for stem in stems}
        self._stem_lengths = sorted({len(stem) for stem in self._stems})
        self._known: dict[str, tuple[str, ...]] = {}
        self._by_letter: dict[str, list[str]] = defaultdict(list)
        for key in self._by_key:
            self._by_letter[key[0]].append(key)

    def find(
        self,
        folded: str,
        seen: Mapping[str, Found],
        said: Sequence[tuple[str, int]] | None = None,
    ) -> Iterator[Found]:
        """The best sign of each code in a folded text that is better than in `seen`.

        Args:
            folded: the text.
            seen: what other tables found.
            said: its words, where they are known.
        """
        best = dict(seen)
        places = self._places(folded, words_of(folded) if said is None else said)
        for rule in self._candidates(folded, places):
            before = best.get(rule.sign.code)
            if before is not None and before.strength >= rule.sign.is_sure:
                continue
            match = self._first(rule, folded, places)
            if match is not None:
                is_asked = rule.is_fact and self._is_asked(folded, match)
                best[rule.sign.code] = Found(rule.sign, match.start(), match.end(), is_asked)
                yield best[rule.sign.code]

    def _how_often(self, little_words: Iterable[str]) -> Counter[str]:
        """How common each word is: in how many phrases, and whether it is in every other text."""
        said = Counter(word for rule in self.rules for group in rule.groups for word in group)
        for word in map(fold, little_words):
            said[word] += _EVERYWHERE
        return said

    def _rule(self, sign: Sign, rank: int) -> Rule:
        phrase = compile_phrase(sign.phrase)
        return Rule(
            sign=sign,
            phrase=phrase,
            rank=rank,
            is_negative=self._says_not(sign.phrase),
            is_fact=sign.code.startswith(FACTS),
            firsts=self._keys(phrase.firsts),
            groups=tuple(filter(None, map(self._keys, phrase.needles))),
        )

    def _keys(self, words: Iterable[str]) -> tuple[str, ...]:
        """Words as the index of a text has them: `doesn't` is found by its `doesn`."""
        if not self.is_spaced:
            return tuple(word.rstrip("*") for word in words)
        keys = []
        for word in words:
            piece = _WORD.search(word)
            if piece is not None:
                is_stem = word[piece.end() :] == "*"
                keys.append(piece[0] + "*" if is_stem else piece[0])
        return tuple(dict.fromkeys(keys))

    def _says_not(self, phrase: str) -> bool:
        folded = fold(phrase)
        if not self.is_spaced:
            return any(word in folded for word in self.negators)
        terms = _TERM.findall(folded)
        return any(word in self.negators or word.endswith("n't") for word in terms)

    def _places(self, folded: str, said: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
        """Where each word of a rule, and each stem that begins one, starts."""
        if not self.is_spaced:
            letters = self._by_letter.keys() & set(folded)
            return {key: [] for one in letters for key in self._by_letter[one] if key in folded}
        places: dict[str, list[int]] = {}
        known = self._known
        for word, start in said:
            keys = known.get(word)
            if keys is None:
                keys = self._learn(word)
            for key in keys:
                if key in places:
                    places[key].append(start)
                else:
                    places[key] = [start]
        return places

    def _learn(self, word: str) -> tuple[str, ...]:
        """A word and its stems, as far as rules have them: people use the same few words."""
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        stems = (self._stems.get(word[:n]) for n in self._stem_lengths if n <= len(word))
        keys = ((word,) if word in self._words else ()) + tuple(filter(None, stems))
        self._known[word] = keys
        return keys

    def _candidates(self, folded: str, places: Mapping[str, list[int]]) -> list[Rule]:
        """The rules of which a key is in the text, sure ones first, in the order of the file."""
        found: dict[int, Rule] = {rule.rank: rule for rule in self._always}
        for key in places:
            for rule in self._by_key.get(key, ()):
                found[rule.rank] = rule
        there = places.keys()
        ready = [
            rule
            for rule in found.values()
            if (
                not any(map(there.isdisjoint, rule.groups))
                if self.is_spaced
                else rule.phrase.may_be_in(folded)
            )
        ]
        return sorted(ready, key=lambda rule: rule.rank)

    def _first(
        self, rule: Rule, folded: str, places: Mapping[str, list[int]]
    ) -> re.Match[str] | None:
        for match in self._matches(rule, folded, places):
            if rule.is_fact and self._is_undone(rule, folded, match):
                continue
            if not self._is_excepted(rule, folded, match):
                return match
        return None

    def _matches(
        self, rule: Rule, folded: str, places: Mapping[str, list[int]]
    ) -> Iterator[re.Match[str]]:
        """Each place of the phrase: tried where one of its first words stands, else everywhere."""
        if not self.is_spaced or not rule.firsts:
            yield from rule.phrase.pattern.finditer(folded)
            return
        starts = [at for first in rule.firsts if first in places for at in places[first]]
        for start in sorted(set(starts)) if len(starts) > 1 else starts:
            match = rule.phrase.pattern.match(folded, start)
            if match is not None:
                yield match

    def _is_asked(self, folded: str, match: re.Match[str]) -> bool:
        """Whether it stands in a question that asks whether it is so."""
        if self._opener is None or not _ASKING.match(folded, match.start()):
            return False
        sentence = _SENTENCE_END.split(folded[max(0, match.start() - 160) : match.start()])[-1]
        return self._opener.search(sentence.lstrip() + match[0]) is not None

    def _is_excepted(self, rule: Rule, folded: str, match: re.Match[str]) -> bool:
        """Whether the shop says of words there that they are no sign of this."""
        return any(
            other.start() < match.end() and match.start() < other.end()
            for phrase in self._exceptions.get(rule.sign.code, ())
            for other in phrase.all(folded)
            if rule.sign.code != "safety" or not _is_harm(folded, other)
        )

    def has_exception(self, folded: str) -> bool:
        """Whether a phrase stands there that the shop took away."""
        return any(
            True
            for phrases in self._exceptions.values()
            for phrase in phrases
            for _match in phrase.all(folded)
        )

    def _is_undone(self, rule: Rule, folded: str, match: re.Match[str]) -> bool:
        """Whether a negation or a condition stands right before the sign, in the same clause."""
        if rule.sign.code in _ASKED_ABOUT and _ASKS.match(folded, match.end()):
            return True
        clause = _CLAUSE_END.split(folded[max(0, match.start() - 60) : match.start()])[-1]
        if not self.is_spaced:
            near, far = clause[-CJK_WINDOW:], clause[-CJK_CASE_WINDOW:]
            is_denied = any(word in near for word in self.negators)
            is_denied = is_denied and not any(word in near for word in _CJK_DEGREE)
            return (is_denied and not self._holds_its_no(rule, match)) or self._is_case(rule, far)
        before = _TERM.findall(clause)
        if self._is_case(rule, " ".join(before[-CASE_WINDOW:])):
            return True
        said = _TERM.findall(match[0])
        after = _TERM.findall(folded[match.end() : match.end() + 12])[:1]
        degree = [word for word in after if word in _DEGREE_AFTER]
        is_worst = self._is_worst([*before[-CASE_WINDOW:], *said, *degree])
        if is_worst and rule.is_negative and rule.sign.code == "praise":
            return not self._is_worst(_TERM.findall(fold(rule.sign.phrase)))
        if is_worst or self._holds_its_no(rule, match):
            return False
        return self._denies([] if rule.is_negative else said) or self._denies(before[-WINDOW:])

    def _is_worst(self, terms: Sequence[str]) -> bool:
        """Whether it says that it was never so much so: no denial at all."""
        since = next((n for n, word in enumerate(terms) if word in self._nevers), len(terms))
        return not _DEGREE.isdisjoint(terms[since + 1 :])

    def _denies(self, terms: Sequence[str]) -> bool:
        """Whether a word of denial stands there; "not only" is none."""
        if self.negators.isdisjoint(terms):
            return False
        return any(
            word in self.negators and after not in _ONLY
            for word, after in zip(terms, [*terms[1:], ""], strict=True)
        )

    def _holds_its_no(self, rule: Rule, match: re.Match[str]) -> bool:
        """Whether the words found say "not" themselves, as the phrase has it.

        A phrase is a list of many: of `(not happy|disappointed)` only the first says so, and
        "never disappointed" is its opposite.
        """
        if not rule.is_negative:
            return False
        return rule.sign.code not in _FEELINGS or self._says_not(match[0])

    def has_doubts(self, folded: str) -> bool:
        """Whether a text has any word that turns others into their opposite or a mere case."""
        if self._condition is not None and self._condition.search(folded):
            return True
        if not self.is_spaced:
            return any(word in folded for word in self.negators)
        return not self.negators.isdisjoint(_TERM.findall(folded))

    def _is_case(self, rule: Rule, before: str) -> bool:
        """Feelings and praise stay what they are under an "if"."""
        if self._condition is None or rule.sign.code in ("displeasure", "praise"):
            return False
        return self._condition.search(before) is not None


def _is_harm(folded: str, match: re.Match[str]) -> bool:
    """Whether an allergy may be one that the goods gave: all but one that is told in a question."""
    if not _ALLERGY.search(match[0]):
        return False
    asks = _ASKING.match(folded, match.end()) or _ASKED_BEFORE.search(folded, 0, match.start())
    return not asks or _GIVEN.search(folded) is not None


def _condition(words: Iterable[str], is_spaced: bool) -> Guarded | None:
    """One pattern for all words that make what follows a mere case; None without such words."""
    folded = [fold(word) for word in words]
    either = "|".join(map(re.escape, folded) if is_spaced else folded)
    whole = rf"(?<!\w)(?:{either})(?!\w)" if is_spaced else either
    return Guarded(re.compile(whole), folded) if folded else None


def _opener(openers: Iterable[str]) -> re.Pattern[str] | None:
    """Openers of one word count where the sentence begins, longer ones anywhere."""
    folded = [fold(word) for word in openers]
    first = "|".join(re.escape(word) for word in folded if " " not in word) or "(?!)"
    longer = "|".join(re.escape(word) for word in folded if " " in word) or "(?!)"
    return (
        re.compile(rf"^(?:\w+,? )?(?:{first})(?!\w)|(?<!\w)(?:{longer})(?!\w)") if folded else None
    )


def words_of(folded: str) -> list[tuple[str, int]]:
    """The words of a folded text, each with its place."""
    return [(word[0], word.start()) for word in _WORD.finditer(folded)]


def has_exception(folded: str, words: Words) -> bool:
    """Whether a folded text holds a phrase that the shop took away."""
    return any(table.has_exception(folded) for table in tables(words))


def find(folded: str, chosen: Iterable[Table]) -> list[Found]:
    """The best sign of each code in a folded text, by the tables of one or of more languages."""
    best: dict[str, Found] = {}
    said = words_of(folded)
    for table in chosen:
        for found in table.find(folded, best, said):
            best[found.sign.code] = found
    return list(best.values())


@lru_cache(maxsize=4)
def tables(words: Words) -> Sequence[Table]:
    """The tables of all languages, made once for each state of the word files."""
    return tuple(Table(lexicon) for lexicon in words.lexicons)
