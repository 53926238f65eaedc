"""From the settings to the rules of ownership."""

from proxy.facts import OwnershipRules
from proxy.settings import Settings, ownership_rules
from proxy.settings.model import Ownership, Privileged


def test_every_rule_comes_from_its_setting():
    """Nothing set is the strictest; each setting changes its own rule."""
    assert ownership_rules(Settings()) == OwnershipRules()
    privileged = Privileged(handle_seconds=61, task_token_seconds=62, task_seconds=63, review_days=4)
    changed = Ownership(when_owner_leaves="deputy", review_overdue="hold", deputies_attest=True, privileged=privileged)
    assert ownership_rules(Settings(ownership=changed)) == OwnershipRules(
        when_owner_leaves="deputy",
        review_overdue="hold",
        deputies_attest=True,
        privileged_handle_seconds=61,
        privileged_token_seconds=62,
        privileged_task_seconds=63,
        privileged_review_days=4,
    )
