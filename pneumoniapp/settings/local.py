"""A person's own machine: ``make run`` and ``manage.py`` without settings of their own."""

# isort: off
from .environment import env, read_dotenv

read_dotenv()

from .base import *  # noqa: E402, F403
from .base import LOG_LEVEL, SECRET_KEY, STORAGES, VAR_DIR, logs  # noqa: E402
# isort: on

DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = SECRET_KEY or "only-for-a-local-machine-never-for-production"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
VAR_DIR.mkdir(parents=True, exist_ok=True)
DOCTOR_VERIFICATION_REQUIRED = env.bool("DOCTOR_VERIFICATION_REQUIRED", default=False)
MFA_REQUIRED_FOR_STAFF = env.bool("MFA_REQUIRED_FOR_STAFF", default=False)
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True  # http://localhost
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# Static files straight from their sources: nothing has to be collected.
WHITENOISE_USE_FINDERS = True
LOGGING = logs.configure(json=env.str("LOG_FORMAT", default="console") == "json", level=LOG_LEVEL)
