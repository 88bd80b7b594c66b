"""Where a training process runs: its device, its part among several under torchrun, and the wish to stop it."""

import importlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist

from manifests.errors import UsageError


@dataclass(frozen=True)
class Place:
    """The device this process computes on, and which of how many processes it is."""

    device: torch.device
    rank: int
    world: int


@contextmanager
def joined(device: str) -> Iterator[Place]:
    """Join the processes that torchrun started, if it did; `device` is auto, cpu or cuda.

    Raises:
        UsageError: cuda is asked for and there is none.
    """
    cuda = torch.cuda.is_available() if device == "auto" else device == "cuda"
    if cuda and not torch.cuda.is_available():
        raise UsageError("Device cuda is asked for, but PyTorch sees no CUDA device here: use --device cpu.")
    rank, world, local = (int(os.environ.get(name, value)) for name, value in _TORCHRUN)
    if cuda:
        torch.cuda.set_device(local)
    if world > 1:
        # Its functions take the group of that moment as their default. DistributedDataParallel imports it later, and
        # the group would live on in it, with threads that abort the process where they outlast the interpreter.
        importlib.import_module("torch.distributed.nn")
        dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Place(torch.device("cuda", local) if cuda else torch.device("cpu"), rank, world)
    finally:
        if world > 1:
            dist.destroy_process_group()


def best_device() -> torch.device:
    """The CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


_TORCHRUN = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


def computes_bf16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 itself; where it must be emulated it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16"})


def is_first() -> bool:
    """Whether this process is the one that writes: the only one, or the first of those under torchrun."""
    return os.environ.get("RANK", "0") == "0"


def processes_expected() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def agreed(value: int, place: Place) -> int:
    """The largest of all processes' values, so that all take the same turn."""
    if place.world == 1:
        return value
    shared = torch.tensor(value, device=place.device)
    dist.all_reduce(shared, op=dist.ReduceOp.MAX)
    return int(shared)


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Catch SIGTERM and Ctrl-C: the signals that arrived are in the list. A second one acts as usual.

    Outside the main thread, where Python allows no handler, the list stays empty.
    """
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return
    before = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, _: object) -> None:
        arrived.append(number)
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, note)
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
