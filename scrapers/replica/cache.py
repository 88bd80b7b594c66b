"""A bounded memory of what was costly to make; several threads that want the same thing make it once."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Keeps the most recently used values while their sizes sum to no more than `capacity`."""

    def __init__(self, capacity: int, size_of: Callable[[V], int]) -> None:
        self._capacity = capacity
        self._size_of = size_of
        self._values: OrderedDict[K, V] = OrderedDict()
        self._held = 0
        self._lock = Lock()
        self._making: dict[K, Lock] = {}

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of `key`, made by `make` if it is not at hand. What `make` raises is raised here."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            turn = self._making.setdefault(key, Lock())
        with turn:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            value = make()
            with self._lock:
                self._values[key] = value
                self._held += self._size_of(value)
                self._making.pop(key, None)
                while self._held > self._capacity and len(self._values) > 1:
                    _, dropped = self._values.popitem(last=False)
                    self._held -= self._size_of(dropped)
        return value
