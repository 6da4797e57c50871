"""Settings shared by every environment; all that differs comes from the environment.

``.env.example`` lists every variable with its default.
"""

from datetime import timedelta
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from pneumoniapp import logs
from pneumoniapp.api.description import DESCRIPTION, TAGS

from . import environment
from .environment import BASE_DIR, env

# --- Core ---------------------------------------------------------------------------------
DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", default="")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "pneumoniapp.urls"
WSGI_APPLICATION = "pneumoniapp.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Where the embedded default keeps everything that changes: database, files, broker, models.
VAR_DIR = environment.var_dir()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_htmx",
    "django_prometheus",
    "django_structlog",
    "csp",
    "operations",
    "accounts",
    "patients",
    "radiology",
    "inference",
    "ml_training",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "operations.middleware.TrustedProxyMiddleware",
    # Around all that may answer by itself: static files, redirects, refused hosts.
    "operations.middleware.AnswerHeadersMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "operations.audit.context.CurrentRequestMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "operations.middleware.PrivateResponseMiddleware",
    "operations.middleware.RequestLogMiddleware",
    "operations.queries.sampling.QuerySampleMiddleware",
    "operations.middleware.KnownVerbsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.AccountLanguageMiddleware",
    "pneumoniapp.maintenance.MaintenanceMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.sessions.limits.SessionLimitsMiddleware",
    "accounts.second_factor.middleware.SecondFactorMiddleware",
    "operations.middleware.PassingFaultMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "pneumoniapp.templatetags.ui",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- Database -----------------------------------------------------------------------------
DATABASES = {
    "default": environment.database(
        env.str("DATABASE_URL", default=""),
        folder=VAR_DIR,
        max_age=env.int("CONN_MAX_AGE", default=60),
    )
}
CACHES = {"default": environment.cache(env.str("CACHE_URL", default=""))}

# --- Files --------------------------------------------------------------------------------
# Patients' files have no public address: views check who asks, then send the file.
MEDIA_ROOT = env.str("MEDIA_ROOT", default="") or str(VAR_DIR / "media")
MEDIA_URL = ""
MODEL_ROOT = Path(env.str("MODEL_ROOT", default="") or VAR_DIR / "models")
SHIPPED_MODELS_DIR = BASE_DIR / "inference" / "shipped"
STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default="") or str(VAR_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_ALLOW_ALL_ORIGINS = False  # No other site needs them.
STORAGES = {
    "default": environment.file_storage(),
    "backups": environment.backup_storage(
        Path(env.str("BACKUP_ROOT", default="") or VAR_DIR / "backups")
    ),
    "staticfiles": {"BACKEND": "pneumoniapp.staticfiles.StaticFiles"},
}
# The first key seals every stored file, all of them open one (docs/security.md).
FILE_KEYS = env.list("FILE_KEYS", default=[])
# A large file that is being received goes to a folder (the system's by default); what is
# beyond RADIOGRAPH_MAX_BYTES (ARCHIVE_MAX_BYTES for a ZIP) is counted and not kept.
FILE_UPLOAD_TEMP_DIR = env.str("UPLOAD_TEMP_DIR", default="") or None
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",  # up to 2.5 MiB
    "operations.uploads.BoundedUploadHandler",
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = env.int("UPLOAD_MAX_FILES", default=50)

# --- Queue --------------------------------------------------------------------------------
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="") or environment.embedded_broker_url(
    VAR_DIR
)
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
# The hard limit of one reading, in seconds; a row that runs longer has lost its worker.
ANALYSIS_TIME_LIMIT = env.int("ANALYSIS_TIME_LIMIT", default=60)
ANALYSIS_MAX_ATTEMPTS = env.int("ANALYSIS_MAX_ATTEMPTS", default=3)
# A row queued for longer than this (seconds) is sent to the broker once more.
ANALYSIS_REQUEUE_AFTER = env.int("ANALYSIS_REQUEUE_AFTER", default=30)
SWEEP_INTERVAL = env.int("SWEEP_INTERVAL", default=10)
# The hard limit of a scheduled backup and of a restore drill, in seconds.
BACKUP_TIME_LIMIT = env.int("BACKUP_TIME_LIMIT", default=3600)
LONGEST_TASK = max(3600, BACKUP_TIME_LIMIT)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": int(1.1 * LONGEST_TASK),
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
    "max_retries": 1,
    "interval_start": 0,
}
# A request hardly waits for a broker that is down, or hangs (a second for each try):
# two quick tries, then the sweeper sends.
PUBLISH_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 1}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1}
# A worker tries to reach its broker for ever.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# /health/ready says no when an analysis has waited longer than this (seconds).
QUEUE_MAX_AGE = env.int("QUEUE_MAX_AGE", default=120)
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "sweep-analyses": {
        "task": "inference.tasks.sweep",
        "schedule": timedelta(seconds=SWEEP_INTERVAL),
        "options": {"queue": "default", "expires": SWEEP_INTERVAL},
    },
    "notify-doctors": {
        "task": "inference.tasks.notify",
        "schedule": timedelta(minutes=1),
        "options": {"queue": "default", "expires": 60},
    },
    "sweep-uploads": {
        "task": "radiology.tasks.sweep_uploads",
        "schedule": timedelta(hours=1),
        "options": {"queue": "default", "expires": 3600},
    },
    "expire-verifications": {
        "task": "accounts.tasks.expire_verifications",
        "schedule": timedelta(hours=6),
        "options": {"queue": "default"},
    },
    "purge-accounts": {
        "task": "accounts.tasks.purge",
        "schedule": timedelta(hours=6),
        "options": {"queue": "default"},
    },
}

# --- People -------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.Doctor"
AUTHENTICATION_BACKENDS = ["accounts.backend.AddressBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "accounts.passwords.validators.OwnWordsValidator"},
    {"NAME": "accounts.passwords.validators.BreachedPasswordValidator"},
]
# "Pwned Passwords" as one file of SHA-1, ordered by hash; none: Django's common list alone.
BREACHED_PASSWORDS_FILE = env.str("BREACHED_PASSWORDS_FILE", default="")
REGISTRATION_NUMBER_VALIDATOR = env.str(
    "REGISTRATION_NUMBER_VALIDATOR", default="accounts.validators.validate_rpps"
)
DOCTOR_VERIFICATION_REQUIRED = env.bool("DOCTOR_VERIFICATION_REQUIRED", default=True)
# For how many days an administrator's word that a doctor is registered holds; 0: for ever.
DOCTOR_VERIFICATION_DAYS = env.int("DOCTOR_VERIFICATION_DAYS", default=365)
# How long an invitation to a practice may be accepted.
PRACTICE_INVITATION_DAYS = env.int("PRACTICE_INVITATION_DAYS", default=14)
# For how many hours emergency access to a colleague's patient lasts, and how many tries an hour.
BREAK_GLASS_HOURS = env.int("BREAK_GLASS_HOURS", default=2)
BREAK_GLASS_TRIES = env.int("BREAK_GLASS_TRIES", default=10)
# The class that looks a registration number up (accounts.verification.directory.Directory).
DOCTOR_DIRECTORY = env.str(
    "DOCTOR_DIRECTORY", default="accounts.verification.directory.ImportedDirectory"
)
PROOF_MAX_BYTES = env.int("PROOF_MAX_BYTES", default=5 * 1024 * 1024)

# --- Accounts (docs/accounts.md) ----------------------------------------------------------
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
# A session ends with the browser, and at the latest after this many seconds (a working day).
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", default=12 * 3600)
# It ends earlier when nobody uses it. Administrators' sessions are shorter.
SESSION_IDLE_SECONDS = env.int("SESSION_IDLE_SECONDS", default=3600)
STAFF_SESSION_SECONDS = env.int("STAFF_SESSION_SECONDS", default=4 * 3600)
STAFF_SESSION_IDLE_SECONDS = env.int("STAFF_SESSION_IDLE_SECONDS", default=900)
# For so long after a password or a code was given, nothing asks for it again.
REAUTHENTICATION_SECONDS = env.int("REAUTHENTICATION_SECONDS", default=900)
ACCOUNT_REAUTHENTICATION_TIMEOUT = REAUTHENTICATION_SECONDS
# A form that waits for that is kept, encrypted, for so long.
WAITING_FORM_SECONDS = env.int("WAITING_FORM_SECONDS", default=600)
SESSION_ENGINE = "accounts.sessions.store"
DEVICE_COOKIE_NAME = "devices"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "signup": "accounts.forms.SignupForm",
    "login": "accounts.forms.LoginForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "set_password": "accounts.forms.SetPasswordForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
    "add_email": "accounts.forms.ChangeEmailForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = env.int("EMAIL_CONFIRMATION_DAYS", default=3)
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[PneumoniApp] "
# True: no page tells whether an address has an account. False: the sign-up says so plainly.
ACCOUNT_PREVENT_ENUMERATION = env.bool("PREVENT_ENUMERATION", default=True)
# "<how many>/<time>/<by what>", counted in the cache: ip, user, or key (the e-mail address).
ACCOUNT_RATE_LIMITS = {
    "login": env.str("RATE_LIMIT_LOGIN", default="30/m/ip"),
    "login_failed": env.str("RATE_LIMIT_LOGIN_FAILED", default="10/m/ip,5/5m/key"),
    "signup": env.str("RATE_LIMIT_SIGNUP", default="20/m/ip"),
    "reset_password": env.str("RATE_LIMIT_RESET_PASSWORD", default="20/m/ip,5/m/key"),
}
# Administrators' sessions reach nothing before they have shown a second factor.
MFA_REQUIRED_FOR_STAFF = env.bool("MFA_REQUIRED_FOR_STAFF", default=True)
MFA_TOTP_TOLERANCE = 1  # the code before or after, RFC 6238 section 5.2
MFA_ADAPTER = "accounts.second_factor.adapter.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "accounts.second_factor.forms.AuthenticateForm",
    "reauthenticate": "accounts.second_factor.forms.ReauthenticateForm",
    "activate_totp": "accounts.second_factor.forms.ActivateTOTPForm",
    "authenticate_webauthn": "accounts.second_factor.forms.AuthenticateWebAuthnForm",
    "reauthenticate_webauthn": "accounts.second_factor.forms.ReauthenticateWebAuthnForm",
    "add_webauthn": "accounts.second_factor.forms.AddWebAuthnForm",
    "edit_webauthn": "accounts.second_factor.forms.EditWebAuthnForm",
}
# operations.middleware.TrustedProxyMiddleware has put the client's own address in place.
ALLAUTH_TRUSTED_PROXY_COUNT = 0
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="PneumoniApp <noreply@localhost>")
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=10)
# Who hears of doctors that wait for verification; empty: every administrator's account.
ADMINS = [("", address) for address in env.list("ADMINS", default=[])]
# Where a suspended or waiting doctor may write to; empty: no address is shown.
CONTACT_EMAIL = env.str("CONTACT_EMAIL", default="")
# For how many days a token holds unless its maker says, and at most.
API_TOKEN_DAYS = env.int("API_TOKEN_DAYS", default=90)
API_TOKEN_MAX_DAYS = env.int("API_TOKEN_MAX_DAYS", default=365)
API_TOKEN_LIMIT = env.int("API_TOKEN_LIMIT", default=50)
DEMO_PASSWORD = env.str("DEMO_PASSWORD", default="demonstration")

# --- Limits of a received file ------------------------------------------------------------
RADIOGRAPH_MAX_BYTES = env.int("RADIOGRAPH_MAX_BYTES", default=64 * 1024 * 1024)
RADIOGRAPH_MAX_SIDE = env.int("RADIOGRAPH_MAX_SIDE", default=8192)
RADIOGRAPH_MAX_DEFLATE_RATIO = env.int("RADIOGRAPH_MAX_DEFLATE_RATIO", default=50)
# The process that decodes a worker's images: MiB of address space, and seconds of processor time
# for one image (twice as many by the clock).
DECODER_MEMORY_MIB = env.int("DECODER_MEMORY_MIB", default=2048)
DECODER_SECONDS = env.int("DECODER_SECONDS", default=15)
# A ZIP archive: its bytes, the files in it, the bytes of all of them, and how many times
# larger than its packed bytes one of them may become.
ARCHIVE_MAX_BYTES = env.int("ARCHIVE_MAX_BYTES", default=1024 * 1024 * 1024)
ARCHIVE_MAX_FILES = env.int("ARCHIVE_MAX_FILES", default=2000)
ARCHIVE_MAX_UNPACKED_BYTES = env.int("ARCHIVE_MAX_UNPACKED_BYTES", default=8 * 1024 * 1024 * 1024)
ARCHIVE_MAX_RATIO = env.int("ARCHIVE_MAX_RATIO", default=100)

# --- Mail ---------------------------------------------------------------------------------
# consolemail:// prints; smtp+tls://user:password@host:587 sends.
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- Language -----------------------------------------------------------------------------
LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", _("French")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["pneumoniapp.formats"]
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="Europe/Paris")

# --- Pages --------------------------------------------------------------------------------
# No inline script, no inline style, nothing from elsewhere, so no nonce is needed.
# ``data:`` images are the icons inside Bootstrap's style sheet.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# No script of ours reads a cookie: the token of a form stands in the page.
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "pneumoniapp.views.csrf_failure"

# --- Operations ---------------------------------------------------------------------------
# Networks of the proxies whose word about the client (address, https) is believed.
TRUSTED_PROXIES = environment.networks(env.list("TRUSTED_PROXIES", default=[]))
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Who may read /metrics: bearers of this token; without one, this machine alone.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# The worker of a queue counts as gone after this many seconds without a heartbeat.
HEARTBEAT_INTERVAL = env.int("HEARTBEAT_INTERVAL", default=10)
HEARTBEAT_LIMIT = env.int("HEARTBEAT_LIMIT", default=60)
for _queue in ("inference", "default"):
    CELERY_BEAT_SCHEDULE[f"heartbeat-{_queue}"] = {
        "task": "operations.tasks.heartbeat",
        "schedule": timedelta(seconds=HEARTBEAT_INTERVAL),
        "args": [_queue],
        # Without a worker the beats don't pile up.
        "options": {"queue": _queue, "expires": HEARTBEAT_LIMIT},
    }
# The share of requests and tasks whose statements are timed (admin, "slow statements"): 0 to 1.
QUERY_SAMPLE = env.float("QUERY_SAMPLE", default=0.1)
# Everybody but administrators gets a page that says to come back later (503).
MAINTENANCE = env.bool("MAINTENANCE", default=False)
LOG_FORMAT = env.str("LOG_FORMAT", default="json")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = logs.configure(json=LOG_FORMAT == "json", level=LOG_LEVEL)
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = 10  # DEBUG
DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL = 10
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = 20

# --- Backups (docs/operations.md) ---------------------------------------------------------
# The first key encrypts, all of them decrypt; without one backups are off.
BACKUP_KEYS = env.list("BACKUP_KEYS", default=[])
# When a scheduled backup is made, each day, in TIME_ZONE.
BACKUP_AT = environment.time_of_day("BACKUP_AT", env.str("BACKUP_AT", default="02:30"))
# For how many days, weeks and months one backup of each is kept.
BACKUP_KEEP = environment.counts("BACKUP_KEEP", env.list("BACKUP_KEEP", default=["7", "4", "12"]))
# /health/ready says no when the newest good backup is older than this (seconds).
BACKUP_MAX_AGE = env.int("BACKUP_MAX_AGE", default=26 * 3600)
# Days between two rehearsals of a restore; 0: none.
BACKUP_DRILL_DAYS = env.int("BACKUP_DRILL_DAYS", default=7)
CELERY_BEAT_SCHEDULE["backups"] = {
    "task": "operations.tasks.backups_look",
    "schedule": timedelta(minutes=1),
    "options": {"queue": "default", "expires": 60},
}

# --- Privacy (docs/privacy.md) ------------------------------------------------------------
# Years for which a patient's record is kept after the last radiograph, and the birthday before
# which it is never due.
RETENTION_YEARS = env.int("RETENTION_YEARS", default=20)
RETENTION_AGE = env.int("RETENTION_AGE", default=28)
# Erase each day who is past it; else `manage.py retention` does, when somebody runs it.
RETENTION_AUTOMATIC = env.bool("RETENTION_AUTOMATIC", default=False)
CELERY_BEAT_SCHEDULE["sweep-erasures"] = {
    "task": "inference.tasks.sweep_erasures",
    "schedule": timedelta(minutes=5),
    "options": {"queue": "default", "expires": 300},
}
if RETENTION_AUTOMATIC:
    CELERY_BEAT_SCHEDULE["retention"] = {
        "task": "inference.tasks.run_retention",
        "schedule": timedelta(days=1),
        "options": {"queue": "default", "expires": 3600},
    }

# --- The record of access (docs/security.md) ----------------------------------------------
# Secrets of the keyed hashes that chain the record: the first one writes, all of them
# verify. Empty: derived from SECRET_KEY, and then one secret guards two things.
AUDIT_KEYS = env.list("AUDIT_KEYS", default=[])
# The file of anchors: where it is lost or cut last.
AUDIT_ANCHOR_FILE = env.str("AUDIT_ANCHOR_FILE", default="")
# /health/ready says no when the last verification is older than this (seconds).
AUDIT_CHECK_MAX_AGE = env.int("AUDIT_CHECK_MAX_AGE", default=50 * 3600)
# The database refuses changes by itself. Tests empty their tables, nobody else does.
AUDIT_TRIGGERS = True
CELERY_BEAT_SCHEDULE["audit-seal"] = {
    "task": "operations.tasks.audit_seal",
    "schedule": timedelta(seconds=5),
    "options": {"queue": "default", "expires": 5},
}
CELERY_BEAT_SCHEDULE["audit-verify"] = {
    "task": "operations.tasks.audit_verify",
    "schedule": timedelta(minutes=10),
    "options": {"queue": "default", "expires": 600},
}

# What stands out in an hour of one account, or of one address (docs/security.md).
ANOMALY_PATIENTS_PER_HOUR = env.int("ANOMALY_PATIENTS_PER_HOUR", default=60)
ANOMALY_ROWS_PER_HOUR = env.int("ANOMALY_ROWS_PER_HOUR", default=2000)
ANOMALY_REFUSALS_PER_HOUR = env.int("ANOMALY_REFUSALS_PER_HOUR", default=30)
ANOMALY_LOGINS_PER_HOUR = env.int("ANOMALY_LOGINS_PER_HOUR", default=10)
# The hours of the house in TIME_ZONE, the last one not included; "20-6" goes over midnight.
ANOMALY_HOURS = environment.hours("ANOMALY_HOURS", env.str("ANOMALY_HOURS", default="6-22"))
CELERY_BEAT_SCHEDULE["anomalies"] = {
    "task": "operations.tasks.anomalies_look",
    "schedule": timedelta(minutes=10),
    "options": {"queue": "default", "expires": 600},
}

# --- REST API (docs/api.md) ---------------------------------------------------------------
# "<number>/<sec|min|hour|day>" for each doctor, each address without a token, each address
# that asks for tokens, and each that sends wrong ones. Counted in the cache: several processes
# need CACHE_URL.
API_THROTTLES = {
    "user": env.str("API_THROTTLE_USER", default="1200/min"),
    "anon": env.str("API_THROTTLE_ANON", default="60/min"),
    "token": env.str("API_THROTTLE_TOKEN", default="20/min"),
    "guess": env.str("API_THROTTLE_GUESS", default="30/min"),
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.ApiTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.MayPractise"],
    "DEFAULT_THROTTLE_CLASSES": [
        "pneumoniapp.api.throttles.AnonymousThrottle",
        "pneumoniapp.api.throttles.DoctorThrottle",
    ],
    "DEFAULT_PARSER_CLASSES": ["pneumoniapp.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "pneumoniapp.api.negotiation.OneRepresentation",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "pneumoniapp.api.pagination.ApiPagination",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "pneumoniapp.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "pneumoniapp.api.problems.problem_handler",
    "URL_FORMAT_OVERRIDE": None,
    # operations.middleware.TrustedProxyMiddleware has put the client's own address in place.
    "NUM_PROXIES": 0,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "PneumoniApp",
    "VERSION": "1",
    "DESCRIPTION": DESCRIPTION,
    "TAGS": TAGS,
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "Class": "inference.models.Label",
        "Certainty": "inference.models.Certainty",
        "Status": "inference.models.Analysis.Status",
        "Verdict": "inference.models.Review.Verdict",
        "Reason": "inference.models.Review.Reason",
        "Language": "django.conf.settings.LANGUAGES",
        "Verification": "accounts.models.Doctor.Verification",
        "Sex": "patients.models.Patient.Sex",
    },
}
