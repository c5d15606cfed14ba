"""`manage.py doctor`: what stands between an account and its venue, each with cause and fix."""

from __future__ import annotations

import getpass
import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from kombu.exceptions import OperationalError

from orders.domain.checkup import Finding, Health, worst
from orders.selectors.doctor import findings_now, runs
from orders.selectors.portfolio import AccountFacts, account_list
from orders.services.doctor import DoctorError, run_request
from polybot.identity.models import User
from risk.tasks import run_doctor

_MARKS = {Health.OK: "ok  ", Health.WARNING: "warn", Health.BAD: "BAD ", Health.UNKNOWN: "?   "}


class Command(BaseCommand):
    help = "Examine one account or all: conditions, keys, clock, place, allowances, balances, endpoints, permits."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", nargs="?", help="the account's number or name; without it all")
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument("--deep", action="store_true", help="also one free post-only order, cancelled at once")
        parser.add_argument("--wait", type=float, default=20.0, help="seconds to wait for the trader (20; deep: 90)")
        parser.add_argument("--user", default="", help="for --deep: whose name the order carries")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = _chosen(options["account"])
        if options["deep"] and len(accounts) != 1:
            raise CommandError("a deep examination is for one account: name it")
        told = []
        for account in accounts:
            findings, run = self._examined(account, options)
            told.append((account, findings, run))
        if options["json"]:
            self.stdout.write(json.dumps([_plain(*item) for item in told]))
        else:
            for item in told:
                self._print(*item)
        if any(worst(findings) is Health.BAD for _, findings, _ in told):
            raise CommandError("something is wrong: see above", returncode=2)

    def _examined(self, account: AccountFacts, options: dict[str, Any]) -> tuple[list[Finding], Any]:
        by = options["user"] or getpass.getuser()
        user = User.objects.filter(username=options["user"]).first() if options["user"] else None
        if options["deep"] and user is None:
            raise CommandError("a deep examination places an order: say whose with --user")
        try:
            run = run_request(account.id, user=user, deep=options["deep"], by=by, now=timezone.now())
        except DoctorError as error:
            raise CommandError(str(error)) from error
        try:
            run_doctor.delay(run.pk)
        except OperationalError:
            self.stderr.write("the broker does not answer: what needs the trader's keys is not looked at")
        until = time.monotonic() + (max(options["wait"], 90.0) if options["deep"] else options["wait"])
        while time.monotonic() < until:
            done = runs(account.id).filter(pk=run.pk).first()
            if done is not None and done.finished_at is not None:
                return [_finding(row) for row in done.findings] or findings_now(account.id, now=timezone.now()), done
            time.sleep(0.25)
        return findings_now(account.id, now=timezone.now()), None

    def _print(self, account: AccountFacts, findings: list[Finding], run: Any) -> None:
        self.stdout.write(f"{account.name} ({account.environment}): {worst(findings)}")
        if run is None:
            self.stdout.write("  the trader did not answer in time: what needs its keys is missing below")
        for finding in findings:
            of = f" of {finding.limit}" if finding.limit else ""
            self.stdout.write(f"  {_MARKS[finding.health]} {finding.area}: {finding.label}: {finding.value}{of}")
            for line in (finding.cause, finding.remedy):
                if line and finding.health is not Health.OK:
                    self.stdout.write(f"         {line}")
        for step in run.story if run is not None else []:
            self.stdout.write(f"  {step['at']} {step['what']}")


def _chosen(named: str | None) -> list[AccountFacts]:
    known = account_list()
    if named is None:
        return known
    found = [account for account in known if named in (str(account.id), account.name)]
    if not found:
        raise CommandError(f"there is no account {named!r}: choose one of {', '.join(a.name for a in known) or 'none'}")
    return found


def _finding(row: dict[str, str]) -> Finding:
    return Finding(**{**row, "health": Health(row["health"])})  # type: ignore[arg-type]


def _plain(account: AccountFacts, findings: list[Finding], run: Any) -> dict[str, Any]:
    return {
        "account": account.id,
        "name": account.name,
        "environment": account.environment,
        "health": worst(findings).value,
        "findings": [finding.as_dict() for finding in findings],
        "trader_answered": run is not None,
        "order": run.order_id if run is not None else None,
        "story": run.story if run is not None else [],
    }
