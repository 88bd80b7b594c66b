"""Compiling by numba: what is compiled is kept on disk for the next process, where there is a place for it."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function compiled when it is first called with arguments of some type."""
    return _kept(function)


def compiled_parallel(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for one whose `prange` loops run on all cores."""
    return _kept(function, parallel=True)


def _kept(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    try:
        return njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:
        # neither the package's folder nor the home can be written: a service's account has such a home
        return njit(nogil=True, **options)(function)
