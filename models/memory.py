"""How much memory a network needs for a tile, measured on a small one."""

import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class _LiveBytes(TorchFunctionMode):
    """Counts the bytes of all tensors made inside that exist at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: dict[int, weakref.ref] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # views share the storage of what they were given
        given = {id(value.untyped_storage()) for value in args if isinstance(value, Tensor)}
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, Tensor) and id(value.untyped_storage()) not in given | self._known.keys():
                self._add(value.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()

        def gone(_: weakref.ref) -> None:
            self.now -= size
            del self._known[key]

        self._known[key] = weakref.ref(storage, gone)
        self.now += size
        self.peak = max(self.peak, self.now)


@torch.no_grad()
def bytes_per_pixel(network: nn.Module, channels: int) -> float:
    """Bytes of working memory that one pixel of the input needs; the network's weights are not counted.

    What the convolutions take for themselves comes on top: up to half as much again on a CPU.
    """
    # sides that the network pads would count more pixels than they have
    stride = int(network.stride)  # type: ignore[arg-type]
    side = -(-32 // stride) * stride
    given = torch.zeros(1, channels, side, side, device=next(network.parameters()).device)
    with _LiveBytes() as live:
        network(given)
    return live.peak / side**2
