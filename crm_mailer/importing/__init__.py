"""Room 1: takes the exports of platforms in: orders, customers, suppressions, reviews, ratings."""

from crm_mailer.importing.people import import_customers
from crm_mailer.importing.programs import Answer, Unreadable, digest, look
from crm_mailer.importing.ratings_file import import_ratings
from crm_mailer.importing.report import Count, ImportReport, RowProblem
from crm_mailer.importing.review_file import import_reviews
from crm_mailer.importing.suppression_file import import_suppressions
from crm_mailer.importing.take_in import import_orders
from crm_mailer.importing.told import Fault, Manner, Outcome

__all__ = [
    "Answer",
    "Count",
    "Fault",
    "ImportReport",
    "Manner",
    "Outcome",
    "RowProblem",
    "Unreadable",
    "digest",
    "import_customers",
    "import_orders",
    "import_ratings",
    "import_reviews",
    "import_suppressions",
    "look",
]
