"""The WSGI application, for gunicorn."""

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.production")
application = get_wsgi_application()
# Every view is loaded before the first request, and a broken one keeps the server from starting.
import_module(settings.ROOT_URLCONF)
