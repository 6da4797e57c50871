"""The Celery application: ``celery -A pneumoniapp worker|beat``."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.local")

app = Celery("pneumoniapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
