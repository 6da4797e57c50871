from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from operations import storage

        from . import signals  # noqa: F401
        from .models import RegistrationProof
        from .passwords import checks  # noqa: F401
        from .practices import programs  # noqa: F401
        from .second_factor import services as second_factor  # noqa: F401
        from .sessions import services as sessions  # noqa: F401

        storage.register("proofs", RegistrationProof, "file")
