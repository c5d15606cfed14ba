"""Django settings of every process. Values an operator may change come from `env.py`."""

from __future__ import annotations

from pathlib import Path

from polybot.logs import logging_settings
from polybot.settings import env
from polybot.settings.theme import UNFOLD  # noqa: F401  the admin's theme reads it

ENV = env.load()
BASE_DIR = env.PROJECT

SECRET_KEY = ENV.secret_key.get_secret_value() or "unset"  # a system check refuses to serve with it
DEBUG = ENV.polybot_debug
ALLOWED_HOSTS = ENV.polybot_allowed_hosts
ROOT_URLCONF = "polybot.urls"
ASGI_APPLICATION = "polybot.asgi.application"
AUTH_USER_MODEL = "identity.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "channels",
    "polybot",
    "polybot.identity",
    "alerts",
    "markets",
    "orders",
    "risk",
    "strategies",
    "backtests",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "polybot.dashboard.policy.ContentPolicyMiddleware",
    "polybot.api_requests.ApiRequestMiddleware",
    "polybot.logs.CorrelationMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "polybot.api_idempotency.IdempotencyMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "polybot.dashboard.frame.frame",
            ],
            "builtins": ["polybot.dashboard.tags"],
        },
    },
]

DATABASES = {"default": env.database_from_url(ENV.database_url)}
RECORD_DIR = env.folder_or_none(ENV.polybot_record_dir, ENV.polybot_data / "recordings")  # the feed's raw frames
RECORD_KEEP_DAYS = ENV.polybot_record_keep_days
RECORD_KEEP_BYTES = int(ENV.polybot_record_keep_gb * 10**9)
DECISION_RECORD_DIR = env.folder_or_none(ENV.polybot_decision_record_dir, ENV.polybot_data / "records")
DECISION_RECORD_DAYS, DECISION_RECORD_BYTES = 14, 2_000_000_000
ARCHIVE_DIR = Path(ENV.polybot_archive_dir) if ENV.polybot_archive_dir else ENV.polybot_data / "archive"
ARCHIVE_KEEP_DAYS = ENV.polybot_archive_keep_days

# One server, one database per purpose: a flush of one leaves the others alone.
TICKSTORE_URL = env.redis_url_for(ENV.redis_url, db=2)
STRATEGIES_REDIS_URL = env.redis_url_for(ENV.redis_url, db=3)
ORDERS_REDIS_URL = env.redis_url_for(ENV.redis_url, db=4)
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [env.redis_url_for(ENV.redis_url, db=1)]},
    }
}

CELERY_BROKER_URL = env.broker_url_for(ENV.redis_url, db=0)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_SOFT_TIME_LIMIT = 25
CELERY_TASK_TIME_LIMIT = 30
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "default"
# What may place, send or cancel runs in the trader; everything else in the worker.
CELERY_TASK_ROUTES = {
    name: {"queue": "trading"}
    for name in (
        "strategies.tasks.dispatch_due",
        "strategies.tasks.tick_strategies",
        "orders.tasks.submit_order",
        "orders.tasks.cancel_order",
        "orders.tasks.sweep_orders",
        "orders.tasks.tend_orders",
        "orders.tasks.advance_plans",
        "orders.tasks.claim_resolved",
        "orders.tasks.step_chain_actions",
        "orders.tasks.expire_stale",
        "orders.tasks.reconcile_live",
        "orders.tasks.settle_resolved",
        "orders.tasks.connect_account",
        "orders.tasks.connect_waiting",
        "risk.tasks.run_doctor",
        "risk.tasks.run_rehearsal",  # asks the venue what is open
        "polybot.tasks.heartbeat_trading",
    )
} | {
    # One niced process of its own: these may run for hours.
    name: {"queue": "backtests"}
    for name in ("backtests.tasks.run_backtest", "backtests.tasks.run_trial", "backtests.tasks.compare_run")
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BEAT_CRON_STARTING_DEADLINE = 60
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_EXPIRES = 0  # no results, so no clean-up job for them
CELERY_WORKER_SEND_TASK_EVENTS = False
DJANGO_CELERY_BEAT_TZ_AWARE = True

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "polybot.identity.signin.locked_out"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
SESSION_ENGINE = "polybot.identity.session_store"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = ENV.polybot_https
CSRF_COOKIE_SECURE = ENV.polybot_https
SECURE_HSTS_SECONDS = 31_536_000 if ENV.polybot_https else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

STATIC_URL = "/static/"
STATIC_ROOT = ENV.polybot_data / "static"
STATICFILES_DIRS = [BASE_DIR / "polybot" / "dashboard" / "static"]

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "polybot.api_access.ApiKeyAuthentication",
        "polybot.api_access.DeskSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["polybot.api_access.ScopePermission"],
    "DEFAULT_RENDERER_CLASSES": ["polybot.api_envelope.EnvelopeRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "polybot.api_envelope.EnvelopePagination",
    "DEFAULT_THROTTLE_CLASSES": ["polybot.api_access.ReadThrottle", "polybot.api_access.WriteThrottle"],
    "DEFAULT_THROTTLE_RATES": {"read": "1200/min", "write": "240/min"},
    "EXCEPTION_HANDLER": "polybot.api_envelope.error_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "polybot",
    "DESCRIPTION": "The desk's REST API. Every answer has the same envelope; decimals are strings, times UTC.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["polybot.api_access.ScopePermission"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "SeverityEnum": "polybot.api_schema.SEVERITIES",
        "OrderStateEnum": "polybot.api_schema.ORDER_STATES",
        "MarketStateEnum": "polybot.api_schema.MARKET_STATES",
        "BacktestStateEnum": "backtests.selectors.runs.STATES",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "polybot.api_schema.envelope_hook",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if ENV.email_host else 'console'}.EmailBackend"
EMAIL_HOST = ENV.email_host
EMAIL_PORT = ENV.email_port
EMAIL_HOST_USER = ENV.email_user
EMAIL_HOST_PASSWORD = ENV.email_password.get_secret_value()
EMAIL_USE_TLS = ENV.email_use_tls
DEFAULT_FROM_EMAIL = ENV.email_from
EMAIL_TIMEOUT = 10

LOGGING = logging_settings(level=ENV.polybot_log_level, format=ENV.polybot_log_format)

POLYMARKET = {
    "clob": ENV.polymarket_clob_url,
    "gamma": ENV.polymarket_gamma_url,
    "data": ENV.polymarket_data_url,
    "ws_market": ENV.polymarket_ws_market_url,
    "ws_user": ENV.polymarket_ws_user_url,
    "relayer": ENV.polymarket_relayer_url,
    "rpc": ENV.polymarket_rpc_url,
    "control": ENV.polymarket_control_url,
}
# Key files of this process; most processes have none (polybot.roles).
KEY_FILES = {
    "trader": ENV.polybot_trader_key_file,
    "stream": ENV.polybot_stream_key_file,
    "install": ENV.polybot_install_key_file,
}
SIGNER_CAPS = {
    "order_usd": ENV.signer_order_usd,
    "minute_usd": ENV.signer_minute_usd,
    "orders_per_minute": ENV.signer_orders_per_minute,
}
POLYBOT_ROLE = ENV.polybot_role
POLYBOT_MODE = ENV.polybot_mode
POLYBOT_VENUE = ENV.polybot_venue
POLYBOT_EXCHANGE = ENV.polybot_exchange or ENV.polybot_venue  # the one exchange whose wallets can trade now
POLYBOT_DATA = ENV.polybot_data
PAPER_LATENCY_MS = ENV.paper_latency_ms
READ_AHEAD_S = 1.0  # market facts and conditions are read once in so many seconds, not once for every order
TELEGRAM_BOT_TOKEN = ENV.telegram_bot_token.get_secret_value()
TELEGRAM_BASE_URL = ENV.telegram_base_url
HEARTBEAT_URL = ENV.heartbeat_url
