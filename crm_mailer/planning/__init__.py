"""Room 3: which customer gets which mail when, and who does not and why."""

from crm_mailer.planning.giving_way import GaveWay
from crm_mailer.planning.plan import plan
from crm_mailer.planning.report import CampaignPlan, Load, PlannedRow, PlanReport, loads
from crm_mailer.planning.trials import Results, results_of

__all__ = [
    "CampaignPlan",
    "GaveWay",
    "Load",
    "PlanReport",
    "PlannedRow",
    "Results",
    "loads",
    "plan",
    "results_of",
]
