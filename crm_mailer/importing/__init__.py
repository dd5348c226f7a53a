"""Room 1: takes the exports of platforms in: orders, customers, suppressions, reviews, ratings."""

from crm_mailer.importing.people import import_customers
from crm_mailer.importing.ratings_file import import_ratings
from crm_mailer.importing.report import Count, ImportReport, RowProblem
from crm_mailer.importing.review_file import import_reviews
from crm_mailer.importing.suppression_file import import_suppressions
from crm_mailer.importing.take_in import import_orders

__all__ = [
    "Count",
    "ImportReport",
    "RowProblem",
    "import_customers",
    "import_orders",
    "import_ratings",
    "import_reviews",
    "import_suppressions",
]
