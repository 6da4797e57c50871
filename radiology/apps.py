from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RadiologyConfig(AppConfig):
    name = "radiology"
    verbose_name = _("Radiology")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from operations import storage

        from . import checks  # noqa: F401
        from .models import Radiograph

        storage.register("radiographs", Radiograph, "file", "preview", "depth")
