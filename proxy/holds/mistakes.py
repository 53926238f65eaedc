"""What people and agents can do wrong with a hold. Each has a stable code; its text is for the person."""

from typing import ClassVar

from proxy.errors import CountersignError


class HoldError(CountersignError):
    """A proposal that cannot be carried out. Nothing has changed."""

    code: ClassVar[str] = "invalid"


class HoldNotFound(HoldError):
    """There is no such hold, or it is not this asker's."""

    code = "not_found"


class NotEligible(HoldError):
    """This person may not decide this hold."""

    code = "not_eligible"


class Stale(HoldError):
    """The hold is no longer what the person looked at: show it again."""

    code = "stale"


class AlreadyDecided(HoldError):
    """The hold was decided, or ended, before this came."""

    code = "already_decided"


class ReasonRequired(HoldError):
    """A refusal without a reason only makes the agent ask again."""

    code = "reason_required"


class TooLate(HoldError):
    """The call is on its way and cannot be called back."""

    code = "too_late"


class Unreadable(HoldError):
    """What the approver would sign cannot be shown, so it cannot be approved."""

    code = "unreadable"


class ReservationLost(HoldError):
    """This attempt no longer holds the grant's one use. Nothing may be sent."""

    code = "reservation_lost"
