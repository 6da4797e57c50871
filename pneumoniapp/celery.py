"""The Celery application: ``celery -A pneumoniapp worker|beat``."""

import os

from celery import Celery
from celery.signals import setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.transport import TRANSPORT_ALIASES

from .tasks import route

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.local")

TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), "pneumoniapp.broker:Transport")

app = Celery("pneumoniapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_routes = (route,)
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def keep_djangos_logging(**_kwargs) -> None:
    """Having a receiver at all keeps Celery from replacing what Django set up."""
