"""Settings of the test suite: the same desk, cheap password hashes, tasks run where they are called."""

from pathlib import Path

from polybot.settings.base import *  # noqa: F403

SECRET_KEY = "for tests only, and long enough for the checks"  # noqa: S105
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
AXES_ENABLED = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# No test reaches the real venue: nothing listens on this port.
POLYMARKET = {
    name: f"{'ws' if name.startswith('ws_') else 'http'}://127.0.0.1:9"
    for name in ("clob", "gamma", "data", "ws_market", "ws_user", "relayer", "rpc", "control")
}
DECISION_RECORD_DIR = None  # tests that want a record give it a folder
RECORD_DIR = None  # a test that records says where
ARCHIVE_DIR = Path("/dev/null/archive")  # empty and unwritable: a test that needs one makes it
READ_AHEAD_S = 0  # a test that changes a row sees it at once
