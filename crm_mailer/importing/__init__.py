"""Room 1: takes the exports of platforms in: orders, customers, suppressions, reviews."""

from crm_mailer.importing.report import Count, ImportReport, RowProblem
from crm_mailer.importing.take_in import import_orders

__all__ = ["Count", "ImportReport", "RowProblem", "import_orders"]
