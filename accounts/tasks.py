"""What the scheduler does for accounts."""

from pneumoniapp.tasks import idempotent_task

from . import services, tokens
from .practices.services import invitation_mail
from .verification.proofs import proofs_sweep
from .verification.services import verifications_expire


@idempotent_task(queue="default")
def purge() -> None:
    """Delete sign-ups that nobody confirmed and tokens that have ended."""
    services.unconfirmed_delete()
    tokens.expired_delete()
    proofs_sweep()


@idempotent_task(queue="default")
def expire_verifications() -> None:
    """End the terms that are over, and tell whose term ends soon."""
    verifications_expire()


@idempotent_task(queue="default")
def tell_invited(invitation_id: str) -> None:
    """Tell who was asked to join a practice; see ``practices.services.invitation_mail``."""
    invitation_mail(invitation_id=invitation_id)
