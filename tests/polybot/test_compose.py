"""docker-compose.yml and the Dockerfile agree with the code: commands, settings, stores, secrets."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from polybot.sandbox import main as sandbox
from polybot.settings.env import PROJECT, Environment
from polybot.supervisor import options, plan

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DESK = {name: service for name, service in SERVICES.items() if service["image"].startswith("polybot-desk")}
NOT_DJANGO = {"run_sandbox"}


def test_every_process_of_up_is_a_service() -> None:
    wanted = options.parse_up([], project=PROJECT, environment={})
    names = {child.name for child in plan.application_plans(wanted, project=PROJECT)}
    assert set(SERVICES) == names | {"sandbox", "postgres", "redis", "prepare"}


@pytest.mark.parametrize("name", sorted(DESK))
def test_its_command_exists(name: str) -> None:
    command = DESK[name]["command"]
    command = command[3:] if command[0] == "nice" else command
    if command[:2] == ["python", "manage.py"]:
        assert command[2] in {*get_commands(), *NOT_DJANGO}
    else:
        assert command[1] == "-m"
        assert command[2] in ("daphne", "celery")


@pytest.mark.parametrize(
    ("name", "queue", "pool", "processes"),
    [
        ("worker", "default", "threads", "4"),
        ("trader", "trading", "threads", "4"),
        ("backtests", "backtests", "prefork", "1"),
    ],
)
def test_workers_read_the_queues_of_up(name: str, queue: str, pool: str, processes: str) -> None:
    wanted = options.parse_up([], project=PROJECT, environment={})
    ours = next(child.command for child in plan.application_plans(wanted, project=PROJECT) if child.name == name)
    theirs = DESK[name]["command"]
    for command in (ours, theirs):
        assert command[command.index("-Q") + 1] == queue
        assert command[command.index("--pool") + 1] == pool
        assert command[command.index("-c") + 1] == processes


def test_backtests_give_way_to_the_desk() -> None:
    wanted = options.parse_up([], project=PROJECT, environment={})
    ours = next(child.command for child in plan.application_plans(wanted, project=PROJECT) if child.name == "backtests")
    for command in (ours, DESK["backtests"]["command"]):
        assert list(command[:3]) == ["nice", "-n", "10"]
        assert command[command.index("--max-memory-per-child") + 1] == "300000"
    assert DESK["backtests"]["oom_score_adj"] > 0


@pytest.mark.parametrize("name", sorted(DESK))
def test_its_settings_are_settings(name: str) -> None:
    known = {field.upper() for field in Environment.model_fields}
    known |= {"POLYBOT_ADMIN_PASSWORD", "PYTHONUNBUFFERED", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"}
    for variable in DESK[name].get("environment", {}):
        assert variable in known or variable.removesuffix("_FILE") in known


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_it_is_watched_and_confined(name: str) -> None:
    service = SERVICES[name]
    assert "healthcheck" in service or name == "prepare"
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    if name in DESK:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


def test_the_desk_looks_for_the_exchange_where_it_serves() -> None:
    with socket.socket() as main:
        main.bind(("127.0.0.1", 0))
        served = sandbox.urls({"main": main})
        port = main.getsockname()[1]
    environment = COMPOSE["services"]["web"]["environment"]
    for name in ("clob", "gamma", "data", "ws_market", "ws_user", "relayer", "rpc"):
        expected = served[name].replace(f"127.0.0.1:{port}", "sandbox:8100")
        assert environment[f"POLYMARKET_{name.upper()}_URL"] == expected


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_only_the_web_pages_are_published_and_only_on_loopback(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert bool(ports) == (name == "web")
    assert all(str(port).startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", ["postgres", "redis", "sandbox"])
def test_stores_and_the_exchange_have_no_way_out(name: str) -> None:
    assert SERVICES[name]["networks"] == ["desk"]
    assert COMPOSE["networks"]["desk"]["internal"] is True


def test_key_files_are_mounted_where_they_may_be_opened_and_nowhere_else() -> None:
    named = {name: {v for v in service["environment"] if v.endswith("_KEY_FILE")} for name, service in DESK.items()}
    mounted = {
        name: {str(volume).split(":")[1] for volume in service.get("volumes", []) if "keys" in str(volume)}
        for name, service in DESK.items()
    }
    own = {"SECRET_KEY_FILE"}
    every = own | {f"POLYBOT_{name}_KEY_FILE" for name in ("TRADER", "STREAM", "INSTALL")}
    assert {name for name, found in named.items() if found == every} == {"trader", "prepare"}
    assert named["fills"] == own | {"POLYBOT_STREAM_KEY_FILE"} and mounted["fills"] == {"/keys/stream"}
    assert mounted["trader"] == mounted["prepare"] == {"/keys/trader", "/keys/stream"}
    for name in ("web", "worker", "beat", "feed", "sandbox", "backtests"):
        assert named[name] <= own and not mounted[name]
    assert {name: DESK[name]["environment"].get("POLYBOT_ROLE") for name in ("trader", "fills", "web")} == {
        "trader": "trader",
        "fills": "fills",
        "web": None,
    }
    assert all(volume.endswith(":ro") for volume in DESK["trader"]["volumes"] if "keys" in volume)


def test_secrets_are_files_and_no_password_has_a_default() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|DATABASE_URL|REDIS_URL", variable):
                assert variable.endswith("_FILE")
                assert str(value).removeprefix("/run/secrets/") in service["secrets"]
        for secret in service.get("secrets", []):
            assert COMPOSE["secrets"][secret] == {"file": f"./secrets/{secret}"}
    assert "secrets/" in (PROJECT / ".gitignore").read_text().split()


def test_postgres_is_the_major_of_the_private_one() -> None:
    from polybot.supervisor.stores import PG_MAJOR

    assert SERVICES["postgres"]["image"] == f"postgres:{PG_MAJOR}"


def test_the_broker_keeps_what_it_was_given() -> None:
    command = SERVICES["redis"]["command"][-1]
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "--requirepass" in command


def test_nothing_debugs() -> None:
    assert "POLYBOT_DEBUG" not in (PROJECT / "docker-compose.yml").read_text()


def test_the_image_runs_as_an_ordinary_user_from_the_hashed_lock() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text()
    assert re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE) == ["polybot"]
    assert "bootstrap.ensure" in dockerfile
    assert ".env" in (PROJECT / ".dockerignore").read_text().split()
    assert "secrets" in (PROJECT / ".dockerignore").read_text().split()


def test_the_image_has_the_version_of_the_package() -> None:
    from polybot import __version__

    assert {service["image"] for service in DESK.values()} == {f"polybot-desk:{__version__}"}
