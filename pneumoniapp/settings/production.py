"""Production: everything from the environment, nothing insecure by default."""

# isort: off
from .environment import env, read_dotenv, require

read_dotenv()
require(
    {
        "SECRET_KEY": "<50 random characters or more>",
        "ALLOWED_HOSTS": "pneumonia.example.org",
        "DATABASE_URL": "mysql://user:password@host:3306/name",
        "CELERY_BROKER_URL": "redis://host:6379/0",
        "CACHE_URL": "redis://host:6379/1",
        "EMAIL_URL": "smtp+tls://user:password@host:587",
    }
)

from django.core.exceptions import ImproperlyConfigured  # noqa: E402

from .base import *  # noqa: E402, F403
from .base import ALLOWED_HOSTS, SECRET_KEY  # noqa: E402
# isort: on

if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured(
        "SECRET_KEY needs 50 characters or more:  "
        "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
    )

if "*" in ALLOWED_HOSTS:
    # The links of mails are made from the host that a request names.
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts: * stands for any.")

DEBUG = False  # Not a setting here: pages with traces would show patients' data.
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str(
    "DEFAULT_FROM_EMAIL", default=f"PneumoniApp <noreply@{ALLOWED_HOSTS[0].lstrip('.')}>"
)
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=True)
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
LANGUAGE_COOKIE_SECURE = True
# A browser takes a cookie of such a name over https alone, and from no other host of the domain.
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_NAME = "__Host-csrf"
DEVICE_COOKIE_NAME = "__Host-devices"
