"""Which process this is, in a name that others can tell dead from living by.

A name has four parts: host, place, process, start. Two names with the same place are of the same machine and, in
containers, of the same container: there a process id says whether its process still runs. `start` tells it from a
later process that was given the same id.
"""

import hashlib
import os
import socket
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")


def this_worker() -> str:
    """The name of this process, at most 64 characters."""
    return _name(os.getpid())


def is_gone(worker: str) -> bool:
    """Whether a process certainly runs no more; False where that cannot be known, as of another machine."""
    parts = worker.split(":")
    return len(parts) == 4 and parts[1] == _place() and parts[2].isdigit() and _start(int(parts[2])) != parts[3]


def is_here(worker: str) -> bool:
    """Whether a process is certainly at work, on this machine."""
    parts = worker.split(":")
    return len(parts) == 4 and parts[1] == _place() and not is_gone(worker)


def in_words(worker: str) -> str:
    """A name as a person reads it."""
    host, _, rest = worker.partition(":")
    process = rest.split(":")[1] if rest.count(":") == 2 else ""
    return f"process {process} on {host}" if process else worker


@lru_cache(maxsize=8)  # a fork is another process
def _name(process: int) -> str:
    return f"{_host()[:24]}:{_place()}:{process}:{_start(process)}"


@lru_cache(maxsize=1)
def _host() -> str:
    return socket.gethostname().replace(":", "-") or "localhost"


@lru_cache(maxsize=1)
def _place() -> str:
    """Where process ids mean the same processes: the machine, and in it the namespace (namespaces(7))."""
    namespace = _PROC / "self" / "ns" / "pid"
    inside = namespace.readlink() if namespace.is_symlink() else ""
    return _digest(f"{_host()}\n{_text(Path('/etc/machine-id'))}\n{inside}")


def _start(process: int) -> str:
    """When a process started, as a word that no other process of that id has; empty where there is no such process.

    Linux counts clock ticks since the machine was started (proc_pid_stat(5), field 22). Elsewhere all that is known
    is whether the process runs.
    """
    if not (_PROC / "self" / "stat").exists():
        return "runs" if _runs(process) else ""
    stat = _text(_PROC / str(process) / "stat").rpartition(")")[2].split()
    if not stat or stat[0] in ("Z", "X"):  # killed, and its parent has not asked yet how it ended
        return ""
    return _digest(f"{_text(_PROC / 'sys' / 'kernel' / 'random' / 'boot_id')}\n{stat[19]}")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _text(path: Path) -> str:
    """A file of the system; empty where it is not there, or no more."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
