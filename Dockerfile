# One image for every process; docker-compose.yml says which command each service runs.
# Pin the base by digest once you have pulled it: digests could not be looked up where this file was written.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY manage.py pyproject.toml ./
COPY polybot/__init__.py polybot/__init__.py
COPY polybot/supervisor polybot/supervisor
COPY polybot/requirements polybot/requirements
# The same bootstrap as `manage.py up`: a virtual environment from the hashed lock.
RUN python3 -c "from pathlib import Path; from polybot.supervisor import bootstrap; bootstrap.ensure(Path('/app'), lock='run')"

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin polybot \
    && install -d -o polybot -g polybot -m 0700 /data /keys /keys/trader /keys/stream
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY . .
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    DJANGO_SETTINGS_MODULE=polybot.settings.base \
    POLYBOT_DATA=/data
USER polybot
VOLUME /data
EXPOSE 8000
CMD ["python", "-m", "daphne", "-v", "0", "-b", "0.0.0.0", "-p", "8000", "polybot.asgi:application"]
