"""Asking at the terminal who somebody is. The password is read without echo and never an argument."""

from __future__ import annotations

import getpass
import sys

from django.contrib.auth import authenticate
from django.core.management.base import CommandError
from django.http import HttpRequest


def person_ask(name: str, *, from_stdin: bool) -> str:
    """Return the name of a member of staff who gave the right password. Raises CommandError."""
    name = name or input("your user name: ")
    password = sys.stdin.readline().rstrip("\n") if from_stdin else getpass.getpass(f"password of {name}: ")
    asked = HttpRequest()
    asked.META["REMOTE_ADDR"] = "127.0.0.1"  # failures are counted by name and address, as at sign-in
    found = authenticate(asked, username=name, password=password)
    if found is None:
        raise CommandError("that is not the name and password of somebody who may sign in")
    if not getattr(found, "is_staff", False):
        raise CommandError(f"{name} is not staff: only staff can do this")
    return str(found.get_username())
