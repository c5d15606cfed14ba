"""The virtual environment: made once, filled from the hashed lock, refilled when the lock changes.

Runs on a bare Python 3.11 without pip, venv or a compiler: only the standard library.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

UV = "uv==0.13.8"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

MINIMUM_FREE_MB = 900


class BootstrapError(RuntimeError):
    """The environment cannot be made; the message says what to do."""


def environment_folder(project: Path) -> Path:
    return project / ".venv"


def is_inside(project: Path) -> bool:
    return Path(sys.prefix).resolve() == environment_folder(project).resolve()


def ensure(project: Path, *, lock: str) -> Path:
    """Return the environment's Python, with everything in `polybot/requirements/<lock>.txt` installed."""
    folder = environment_folder(project)
    python = folder / "bin" / "python"
    requirements = project / "polybot" / "requirements" / f"{lock}.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamps = {name: folder / f".polybot-{name}" for name in ("run", "dev")}
    if python.exists() and _is_current(stamps, wanted, lock, project):
        return python
    free = shutil.disk_usage(project).free // 1_000_000
    if free < MINIMUM_FREE_MB:
        raise BootstrapError(f"only {free} MB free at {project}, the packages need {MINIMUM_FREE_MB} MB: make room")
    began = time.monotonic()
    if not _has_pip(python):
        shutil.rmtree(folder, ignore_errors=True)  # a first try that was cut off leaves half an environment
        _say("making the virtual environment .venv")
        _make(folder)
    _say(f"installing packages ({lock}), about a minute the first time")
    _install(python, requirements)
    stamps[lock].write_text(wanted)
    _say(f"installed in {time.monotonic() - began:.0f} s")
    return python


def _has_pip(python: Path) -> bool:
    return (
        python.exists() and subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True).returncode == 0
    )


def _install(python: Path, requirements: Path) -> None:
    """Install with uv, which takes seconds; with pip, which takes a minute, where uv cannot reach the packages."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, UV], "installing uv")
    command = [str(python), "-m", "uv", "pip", "install", "--quiet", "--python", str(python), "--require-hashes"]
    if SYSTEM_CERTIFICATES.exists():  # as pip does: a company's own certificate authority is trusted there
        command.append("--system-certs")
    try:
        _run([*command, "--compile-bytecode", "-r", str(requirements)], "installing packages")
    except BootstrapError as error:
        _say(f"uv could not install, trying pip, which takes longer ({str(error).splitlines()[-1].strip()})")
        _run([*pip, "--require-hashes", "-r", str(requirements)], "installing packages")


def _is_current(stamps: dict[str, Path], wanted: str, lock: str, project: Path) -> bool:
    if lock == "run" and stamps["dev"].exists():  # the development lock contains the other one, same versions
        dev = project / "polybot" / "requirements" / "dev.txt"
        if stamps["dev"].read_text() == hashlib.sha256(dev.read_bytes()).hexdigest():
            return True
    return stamps[lock].exists() and stamps[lock].read_text() == wanted


def _make(folder: Path) -> None:
    command = [sys.executable, "-m", "venv", str(folder)]
    if subprocess.run(command, capture_output=True).returncode == 0:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if os.getuid() != 0 or not shutil.which("apt-get"):
        raise BootstrapError("this Python has no venv module; as root: apt-get install python3-venv, then try again")
    _say("installing python3-venv with apt-get")
    _run(["apt-get", "update", "-qq"], "apt-get update")
    _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv"], "apt-get install python3-venv")
    _run(command, "making the virtual environment")


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise BootstrapError(f"{what} failed:\n{done.stdout.strip()[-1500:]}")


def _say(text: str) -> None:
    print(f"polybot: {text}", file=sys.stderr, flush=True)
