"""What a machine has to do to run the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import numpy as np
from torch import Tensor


class KernelDevice(Protocol):
    """A processor that runs the kernels of ``torch_afm/ppm/kernels``."""

    @property
    def width(self) -> int:
        """Pixels a work-item takes at once: 8 on a CPU, by explicit vectors, 1 on a GPU."""
        ...

    @property
    def block(self) -> int:
        """Vectors of probes that one work-item of the backward pass sums over, at least."""
        ...

    def array(self, values: np.ndarray | Tensor) -> Any:
        """``values`` in the memory of the device, int32 if they are integers, else float32."""
        ...

    def launch(
        self,
        file: str,
        kernel: str,
        options: Sequence[str],
        size: tuple[int, int],
        arguments: Sequence[Any],
        shape: tuple[int, ...],
    ) -> Tensor:
        """Run ``kernel`` of ``file``, built with ``options`` (``-D...``), over ``size`` work-items, and
        return its last argument, a float32 array of ``shape`` that it writes. The other arguments are arrays
        of this device and integers."""
        ...


@cache
def kernel_source(*names: str) -> str:
    """The text of kernel files, one after the other."""
    folder = files("torch_afm.ppm") / "kernels"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
