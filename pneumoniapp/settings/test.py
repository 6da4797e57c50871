"""The test suite: fast hashing, nothing sent, files in a folder that pytest removes."""

import base64

from .base import *  # noqa: F403
from .base import STORAGES, logs

SECRET_KEY = "tests"  # noqa: S105
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_AUTOREFRESH = True
AUDIT_TRIGGERS = False
MFA_REQUIRED_FOR_STAFF = False
CELERY_BROKER_URL = "memory://"
# Everything is tried with files that are encrypted.
FILE_KEYS = [base64.urlsafe_b64encode(bytes(range(32))).decode()]
LOGGING = logs.configure(json=False, level="WARNING")
QUERY_SAMPLE = 0  # The counts of queries are the views' own.
