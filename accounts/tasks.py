"""What the scheduler does for accounts."""

from pneumoniapp.tasks import idempotent_task

from . import services, tokens


@idempotent_task(queue="default")
def purge() -> None:
    """Delete sign-ups that nobody confirmed and tokens that have ended."""
    services.unconfirmed_delete()
    tokens.expired_delete()
