from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InferenceConfig(AppConfig):
    name = "inference"
    verbose_name = _("Readings")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.practices.services import practice_closed
        from operations import metrics, storage
        from operations.backup import tombstones
        from operations.health import register
        from patients.sharing import sharing_changed

        from . import health, telemetry
        from .handover import patients_hand_over, practice_repeat
        from .models import Analysis

        register("queue", health.queue)
        register("model", health.model)
        metrics.register(telemetry.readings)
        storage.register("analyses", Analysis, "map")
        tombstones.after_restore(_erase_again)
        sharing_changed.connect(practice_repeat, dispatch_uid="practice_repeat")
        practice_closed.connect(patients_hand_over, dispatch_uid="patients_hand_over")


def _erase_again() -> int:
    from .privacy.erasure import erasures_repeat

    return erasures_repeat()
