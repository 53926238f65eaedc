"""How ownership is judged, from the settings into the value that the inventory in force carries."""

from proxy.facts import OwnershipRules
from proxy.settings.model import Settings


def ownership_rules(settings: Settings) -> OwnershipRules:
    """How ownership is judged, as the inventory in force carries it."""
    ownership = settings.ownership
    privileged = ownership.privileged
    return OwnershipRules(
        when_owner_leaves=ownership.when_owner_leaves,
        review_overdue=ownership.review_overdue,
        deputies_attest=ownership.deputies_attest,
        privileged_handle_seconds=privileged.handle_seconds,
        privileged_token_seconds=privileged.task_token_seconds,
        privileged_task_seconds=privileged.task_seconds,
        privileged_review_days=privileged.review_days,
        longest_review_days=ownership.longest_review_days,
    )
