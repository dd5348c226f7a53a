"""Room 3: which customer gets which mail when, and who does not and why."""

from crm_mailer.planning.plan import plan
from crm_mailer.planning.report import CampaignPlan, PlannedRow, PlanReport

__all__ = ["CampaignPlan", "PlanReport", "PlannedRow", "plan"]
