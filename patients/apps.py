from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PatientsConfig(AppConfig):
    name = "patients"
    verbose_name = _("Patients")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.practices.services import membership_ended, membership_ending
        from operations.audit.reasons import reason_register

        from .emergency import emergencies_end, emergency_reason
        from .sharing import patients_lock, patients_unshare

        reason_register("break_glass", emergency_reason)
        membership_ending.connect(patients_lock, dispatch_uid="patients_lock")
        membership_ended.connect(patients_unshare, dispatch_uid="patients_unshare")
        membership_ended.connect(emergencies_end, dispatch_uid="emergencies_end")
