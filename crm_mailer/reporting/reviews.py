"""What buyers love about a product and what they complain about, by their stars and words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from crm_mailer.model.period import Period
from crm_mailer.store import report_reviews, report_sql
from crm_mailer.store.engine import Store
from crm_mailer.store.report_reviews import Stars

#: Comments that are read for their words: enough to know what many say.
READ_AT_MOST = 20_000
_SHOWN = 6
#: A word that one buyer used says nothing about the product.
_AT_LEAST = 2
_WORD = re.compile(r"[^\W\d_]{4,}", re.UNICODE)
_HAN = re.compile(r"[\u4e00-\u9fff]{2,}")
#: Words that say nothing about goods, in the main languages.
_IDLE = frozenset(
    """
    about after again also although always another because been before being could does doing
    down during each every from have having here into item itself just more most much only order
    ordered other over product received same shop some such than that their them then there these
    they this those through time under until very were what when where which while will with
    would your yours seller really bought came come even ever first from give gave make made many
    still well что это как так все для его мне мой меня они она или уже был была было были очень
    если только когда товар заказ магазин продавец спасибо пришел пришла пришло более всё этот
    este esta esto estos estas para pero porque como muy todo todos producto pedido vendedor cuando
    desde hasta sobre tiene también que los las una uno con por del mais muito minha pelo pela
    produto vendedor dans avec pour très plus cette mais nous vous bien tout tous produit commande
    vendeur sehr auch aber nicht eine einen einer dass wird wurde noch dieser diese dieses produkt
    artikel bestellung sind habe hatte
    """.split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductReviews:
    """One product's stars, and what was said in good and in bad reviews.

    `reasons` are codes of complaints; a word counts once for each review.
    """

    product: str
    title: str
    stars: Stars
    loved: tuple[tuple[str, int], ...]
    disliked: tuple[tuple[str, int], ...]
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewReport:
    """All reviews of a period, and those of each product, the most reviewed first.

    `read` comments were looked through for their words.
    """

    period: Period
    total: Stars
    read: int
    products: tuple[ProductReviews, ...]


def review_report(store: Store, period: Period) -> ReviewReport:
    """The reviews of the period."""
    with store.read() as connection:
        products = report_reviews.by_product(connection, period)
        total = report_reviews.total(connection, period)
        reasons = report_reviews.reasons(connection, period)
        comments = report_reviews.comments(connection, period, limit=READ_AT_MOST)
        titles = report_sql.titles(connection, [one.product for one in products])
    loved = _words((product, text) for product, stars, text in comments if stars >= 4)
    disliked = _words((product, text) for product, stars, text in comments if stars <= 2)
    blamed: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for product, reason, number in reasons:
        blamed[product].append((reason, number))
    return ReviewReport(
        period=period,
        total=total,
        read=len(comments),
        products=tuple(
            ProductReviews(
                product=one.product,
                title=titles.get(one.product, ""),
                stars=one,
                loved=loved.get(one.product, ()),
                disliked=disliked.get(one.product, ()),
                reasons=tuple(blamed[one.product][:_SHOWN]),
            )
            for one in products
        ),
    )


def words_of(text: str) -> set[str]:
    """The telling words of a comment; of Chinese, which has no blanks, pairs of letters."""
    low = text.lower()
    found = {word for word in _WORD.findall(low) if not _HAN.search(word)} - _IDLE
    for run in _HAN.findall(low):
        found.update(run[at : at + 2] for at in range(len(run) - 1))
    return found


def _words(comments: Iterable[tuple[str, str]]) -> dict[str, tuple[tuple[str, int], ...]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for product, text in comments:
        counts[product].update(words_of(text))
    return {product: _frequent(counter) for product, counter in counts.items()}


def _frequent(counter: Counter[str]) -> tuple[tuple[str, int], ...]:
    often = [(word, number) for word, number in counter.items() if number >= _AT_LEAST]
    return tuple(sorted(often, key=lambda one: (-one[1], one[0]))[:_SHOWN])
