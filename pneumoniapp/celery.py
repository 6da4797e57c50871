"""The Celery application: ``celery -A pneumoniapp worker|beat``."""

import os

from celery import Celery
from celery.signals import setup_logging, task_prerun
from django.conf import settings
from django.db import close_old_connections
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.transport import TRANSPORT_ALIASES

from .tasks import route

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.local")

TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), "pneumoniapp.broker:Transport")


class Application(Celery):
    def connection_for_write(self, url=None, **kwargs):
        """For whoever sends: it has its own patience, a worker's consumer keeps the longer one."""
        options = settings.PUBLISH_TRANSPORT_OPTIONS | (kwargs.pop("transport_options", None) or {})
        return super().connection_for_write(url, transport_options=options, **kwargs)


app = Application("pneumoniapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_routes = (route,)
app.autodiscover_tasks()
# Celery would close the database's connections around each task and open them anew.
app.conf["CELERY_DB_REUSE_MAX"] = 1000
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def keep_djangos_logging(**_kwargs) -> None:
    """Having a receiver at all keeps Celery from replacing what Django set up."""


@task_prerun.connect
def keep_good_connections(**_kwargs) -> None:
    """What Django does before each request: leave a connection that is old or broken."""
    close_old_connections()
