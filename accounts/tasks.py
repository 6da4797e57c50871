"""What the scheduler does for accounts."""

from pneumoniapp.tasks import idempotent_task

from . import services
from .practices.services import invitation_mail
from .sessions.services import sessions_purge
from .tokens.services import expired_delete
from .verification.proofs import proofs_sweep
from .verification.services import verifications_expire


@idempotent_task(queue="default")
def purge() -> None:
    """Delete sign-ups that nobody confirmed, sessions and tokens that have ended."""
    services.unconfirmed_delete()
    sessions_purge()
    expired_delete()
    proofs_sweep()


@idempotent_task(queue="default")
def expire_verifications() -> None:
    """End the terms that are over, and tell whose term ends soon."""
    verifications_expire()


@idempotent_task(queue="default")
def tell_invited(invitation_id: str) -> None:
    """Tell who was asked to join a practice; see ``practices.services.invitation_mail``."""
    invitation_mail(invitation_id=invitation_id)
