"""The WSGI application, for gunicorn."""

import codecs
import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.production")
django_application = get_wsgi_application()
# Every view is loaded before the first request, and a broken one keeps the server from starting.
import_module(settings.ROOT_URLCONF)


def application(environ, start_response):
    """Django, with a Content-Type that it can't read taken away.

    Django takes the charset named there for the query string as well, and a codec that reads
    no text (``charset=hex``) would break every view, the error pages included. All text is
    UTF-8 here; a body that says otherwise is answered as one of an unknown type.
    """
    if not _is_read(environ.get("CONTENT_TYPE", "")):
        environ["CONTENT_TYPE"] = ""
    return django_application(environ, start_response)


def _is_read(content_type: str) -> bool:
    try:
        charset = parse_header_parameters(content_type)[1].get("charset") or "utf-8"
        return codecs.lookup(charset).name in ("utf-8", "ascii")
    except (LookupError, ValueError):
        return False
