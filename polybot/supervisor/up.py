"""`manage.py up`: stores, local exchange, preparation, processes, READY, and an ordered stop.

This process imports no Django: it stays small and starts the rest within a second.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from polybot import __version__
from polybot.supervisor import claims, dotenv, plan, runtime, status, stores
from polybot.supervisor.children import Child
from polybot.supervisor.fleet import Fleet
from polybot.supervisor.options import UpOptions, parse_up
from polybot.supervisor.output import Output

STOP_LIMIT_S = 4.5
READY_LIMIT_S = 180.0
ALIVE_LIMIT_S = 45.0  # a queue that showed no life for so long gets a new worker


class StartError(RuntimeError):
    """The desk could not be started; the message says what to do."""


def run_up(arguments: list[str], *, project: Path) -> int:
    """Run the desk until Ctrl-C or SIGTERM; return the exit code."""
    environment = {**dotenv.read(project / ".env"), **os.environ}
    options = parse_up(arguments, project=project, environment=environment)
    os.umask(0o077)  # what the desk writes is its owner's business
    try:
        claims.data_directory_claim(options.data, version=__version__)
        claims.lock_take(options.data)
        claims.disk_check(options.data)
        claims.port_check(options.port)
    except claims.ClaimError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return Desk(options, project=project, inherited=environment).run()


class Desk:
    """One run of `up`."""

    def __init__(self, options: UpOptions, *, project: Path, inherited: dict[str, str]) -> None:
        self.options = options
        self.project = project
        self.inherited = inherited
        self.output = Output(options.data / "logs")
        self.fleet = Fleet(output=self.output, folder=project, changed=self.write_desk_file, ended=self.note_exit)
        self.environment: dict[str, str] = {}
        self.began = time.monotonic()
        self.started_at = time.time()
        self.steps: set[str] = set()
        self.warnings: list[str] = []
        self.hosts: dict[str, str] = {}
        self.ready = False
        self.last_words = ""  # of the preparation
        self.new_password: str | None = None
        self.stores: list[stores.Store] = []
        self.store_words: dict[str, deque[str]] = {}  # the last lines of each private store

    def run(self) -> int:
        self.fleet.watch_signals()
        self.output.say(
            f"polybot {__version__}, {self.options.mode} on {self.options.venue}, data in {self.options.data}"
        )
        try:
            code = self._serve()
        except (StartError, stores.StoreError) as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            code = 1
        finally:
            began = time.monotonic()
            # Asked while Postgres still answers, kept for `status` when it no longer does.
            asked = status.figures_ask(self.database_url, python=Path(sys.executable)) if self.ready else None
            self.fleet.stop(limit_s=STOP_LIMIT_S)
            if asked is not None:
                status.figures_keep(self.options.data, asked, timeout_s=0.2)
            self.note_exit("desk", "stopped")
            runtime.desk_remove(self.options.data)
            self.output.say(f"stopped in {time.monotonic() - began:.1f} s")
            self.output.close()
        return code

    def _serve(self) -> int:
        self.environment = plan.shared_environment(
            self.options,
            inherited=self.inherited,
            secret_key_file=claims.secret_file(self.options.data, "secret_key"),
        )
        if self.options.venue == "sandbox":
            self._start_sandbox()  # first: it needs no store, and loads its libraries while a new cluster is made
        self._start_stores()
        self.write_desk_file()
        self._wait_for_stores()
        if self.options.venue == "sandbox":
            self._wait_for_sandbox()
        self.environment |= plan.venue_environment(self.hosts)
        self._prepare_and_start()
        if self.fleet.stop_asked:
            return 0
        self._say_ready()
        if self.options.compiles:
            self.fleet.start(plan.kernels_plan(project=self.project), self.environment)
        while not self.fleet.stop_asked:
            self.fleet.turn(1.0)
            self._check_signs_of_life()
        self.output.say("stopping")
        return 0

    def _start_stores(self) -> None:
        data, sockets = self.options.data, stores.socket_directory(self.options.data)
        given = self.inherited
        if not (given.get("REDIS_URL") or given.get("REDIS_URL_FILE")):
            self.stores.append(stores.valkey_store(data=data, sockets=sockets))
        if not (given.get("DATABASE_URL") or given.get("DATABASE_URL_FILE")):
            self.stores.append(stores.postgres_store(data=data, sockets=sockets))
        self.environment |= dict(stores.store_url(store) for store in self.stores)
        for store in self.stores:
            kept: deque[str] = deque(maxlen=4)
            child_plan = plan.store_plan(store.name, store.command, store.stop_signal, store.run_as)
            self.fleet.start(child_plan, self.environment, on_line=_store_line(store.name, kept, self.output))
            self.store_words[store.name] = kept

    def _wait_for_stores(self) -> None:
        for store in self.stores:
            child, words = self.fleet.children[store.name], self.store_words[store.name]

            def settled(child: Child = child, store: stores.Store = store) -> bool:
                return stores.store_answers(store) or child.restarts >= 3

            if not self.fleet.run_until(settled, timeout_s=60.0) and not self.fleet.stop_asked:
                raise StartError(f"{store.name} did not answer within 60 s: {' / '.join(words)}")
            if child.restarts >= 3 and not stores.store_answers(store):
                raise StartError(f"{store.name} does not start: {' / '.join(words) or 'it says nothing'}")

    def _start_sandbox(self) -> None:
        child_plan = plan.sandbox_plan(self.options, project=self.project, port=claims.port_reserve())
        self.fleet.start(child_plan, self.environment, on_line=self._sandbox_line)

    def _wait_for_sandbox(self) -> None:
        sandbox = self.fleet.children["sandbox"]
        self._wait_for("the local exchange", lambda: bool(self.hosts) or sandbox.restarts >= 3, 60.0)
        if not self.hosts and not self.fleet.stop_asked:
            raise StartError(f"the local exchange does not start: see {self.options.data / 'logs' / 'sandbox.log'}")

    def _sandbox_line(self, line: str) -> bool:
        if not line.startswith("{"):
            return False
        try:
            hosts = json.loads(line)
        except ValueError:
            return False
        if not isinstance(hosts, dict) or "clob" not in hosts:
            return False
        if self.hosts and hosts != self.hosts:
            self.output.say("the local exchange came back on other ports: stop and start the desk")
        self.hosts = self.hosts or hosts
        return True

    def _prepare_and_start(self) -> None:
        password = self.inherited.get("POLYBOT_ADMIN_PASSWORD") or secrets.token_urlsafe(12)
        prepare = self.fleet.start(
            plan.prepare_plan(project=self.project, data=self.options.data, admin_password=password),
            self.environment,
            on_line=lambda line: self._prepare_line(line, password),
        )
        # The preparation lives on beside the other processes: it syncs and seeds while they start.
        self._wait_for("the database", lambda: "migrated" in self.steps or not prepare.is_running, READY_LIMIT_S)
        if self.fleet.stop_asked:
            return
        if "migrated" not in self.steps:
            log = self.options.data / "logs" / "prepare.log"
            raise StartError(f"the database could not be prepared: {self.last_words or 'it said nothing'} (see {log})")
        # What READY waits for starts first; on few cores the others would only slow it down.
        later = plan.application_plans(self.options, project=self.project)
        for child_plan in [each for each in later if each.name in plan.FIRST]:
            self.fleet.start(child_plan, self.environment)
            later.remove(child_plan)
        web = self.fleet.children["web"]
        self._wait_for("the web pages", lambda: self._web_answers() or web.restarts >= 4, READY_LIMIT_S)
        if web.restarts >= 4:
            raise StartError(f"the web pages do not start: see {self.options.data / 'logs' / 'web.log'}")
        if self.fleet.stop_asked:
            return
        self._say_step("the web pages answer")
        for child_plan in later:
            self.fleet.start(child_plan, self.environment)
        if not self.fleet.run_until(
            lambda: "finished" in self.steps or not prepare.is_running, timeout_s=READY_LIMIT_S
        ):
            if self.fleet.stop_asked:
                return
            self.warnings.append("market data is not complete yet; see the system page")
        elif "finished" not in self.steps:
            self.warnings.append(f"the preparation did not finish: see {self.options.data / 'logs' / 'prepare.log'}")

    def _prepare_line(self, line: str, password: str) -> bool:
        if not line.startswith("@"):
            self.last_words = line.strip() or self.last_words
            return False
        word, _, rest = line[1:].partition(" ")
        if word == "admin-created":
            self.new_password = password
        elif word == "warning":
            self.warnings.append(rest)
        elif word == "finished":
            self.steps.add(word)
        else:
            self.steps.add(word)
            self._say_step(rest or word)
        return True

    def _say_step(self, text: str) -> None:
        self.output.say(f"{text} ({time.monotonic() - self.began:.1f} s)")

    def _web_answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.options.port, timeout=1.0)
        try:
            connection.request("GET", "/login/")
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            self.fleet.turn(0.2)  # refused at once: do not spin
            return False
        finally:
            connection.close()

    def _wait_for(self, what: str, done: Callable[[], bool], limit_s: float) -> None:
        if not self.fleet.run_until(done, timeout_s=limit_s) and not self.fleet.stop_asked:
            raise StartError(f"{what} did not become ready within {limit_s:.0f} s: see {self.options.data / 'logs'}")

    def _say_ready(self) -> None:
        for warning in self.warnings:
            self.output.say(f"warning: {warning}")
        self.ready = True
        self.write_desk_file()
        self.output.say(f"started in {time.monotonic() - self.began:.1f} s")
        self.output.plain(f"READY http://127.0.0.1:{self.options.port}")
        if self.new_password is not None:
            given = bool(self.inherited.get("POLYBOT_ADMIN_PASSWORD"))
            word = "as set by POLYBOT_ADMIN_PASSWORD" if given else self.new_password
            self.output.plain(f"LOGIN admin, password {word}")
        else:
            self.output.plain("LOGIN admin, with the password of the first start (manage.py changepassword admin)")

    def _check_signs_of_life(self) -> None:
        """Start a worker again whose queue has shown no life for 45 s although beat was running."""
        now = time.monotonic()
        beat = self.fleet.children.get("beat")
        if beat is None or not beat.is_running or now - beat.started_at < ALIVE_LIMIT_S:
            return
        for child in self.fleet.children.values():
            if not (child.plan.watched and child.is_running and now - child.started_at > ALIVE_LIMIT_S):
                continue
            try:
                age = time.time() - (self.options.data / "alive" / child.name).stat().st_mtime
            except OSError:
                continue  # never seen alive: nothing to compare with
            if age > ALIVE_LIMIT_S:
                self.fleet.restart(child.name, f"its queue showed no life for {age:.0f} s")

    @property
    def database_url(self) -> str:
        return self.environment.get("DATABASE_URL", "")

    def note_exit(self, name: str, how: str) -> None:
        """Leave word for the worker, which writes it into the journal."""
        line = json.dumps({"at": time.time(), "name": name, "how": how})
        with contextlib.suppress(OSError), (self.options.data / "exits.jsonl").open("a") as out:
            out.write(line + "\n")

    def write_desk_file(self) -> None:
        """Tell other commands where this desk is: addresses, processes, whether it is ready."""
        children = {
            name: {
                "pid": child.process.pid if child.process is not None and child.is_running else None,
                "restarts": child.restarts,
                "started_at": round(time.time() - (time.monotonic() - child.started_at), 3),
                "last_exit": child.last_exit,
            }
            for name, child in self.fleet.children.items()
            if child.plan.restarts
        }
        content = {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": self.started_at,
            "ready": self.ready,
            "url": f"http://127.0.0.1:{self.options.port}",
            "mode": self.options.mode,
            "venue": self.options.venue,
            "children": children,
            "environment": plan.desk_environment(self.environment),
        }
        with contextlib.suppress(OSError):  # a full disk must not stop the supervisor
            runtime.desk_write(self.options.data, content)


def _store_line(name: str, kept: deque[str], output: Output) -> Callable[[str], bool]:
    """Stores are chatty: their lines go to the file, and to the terminal only when something is wrong."""

    def keep(line: str) -> bool:
        kept.append(line.strip())
        if any(word in line for word in ("ERROR:", "FATAL:", "PANIC:", "WARNING:")) and "starting up" not in line:
            return False
        output.keep(name, line)
        return True

    return keep
