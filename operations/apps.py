from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class OperationsConfig(AppConfig):
    name = "operations"
    verbose_name = _("Operations")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, health, metrics, worker  # noqa: F401
        from .audit import triggers
        from .audit.checking import audit_is_whole
        from .backup.selectors import backups_are_kept
        from .queries import sampling  # noqa: F401

        health.register("database", checks.database_answers)
        health.register("broker", checks.broker_answers)
        health.register("storage", checks.storage_keeps)
        health.register("workers", checks.workers_listen)
        health.register("backup", backups_are_kept)
        health.register("audit", audit_is_whole)
        post_migrate.connect(triggers.after_migrate, sender=self)
        metrics.register(metrics.worker_heartbeats)
