"""What a gradient costs: the backward pass of a stack of the thesis' scan (128 x 128 pixels, 20 heights)
against the forward pass of the same renderer, with gradients in positions and charges, and in the tip and its
height too. Errors of the gradient in the positions are against torch float64, relative to its norm, of the
pixels whose probe took the same branch at every height; probes that did not, where several positions are
stable and rounding decides, are counted.

    python -m benchmarks.rendering.gradients [--repeats 3]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import measure, table, write
from benchmarks.rendering.run import CASES, SCAN, load
from torch_afm.config import Tip, to_dict
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.ppm.opencl import get_queue

#: What is differentiated beside positions and charges: springs and height of the tip, and its charges.
SPRINGS = ("stiffness", "radial_stiffness", "bond_length", "tilt")
KINDS: dict[str, tuple[str, ...]] = {
    "pos, charge": (),
    "and springs, z_top": SPRINGS,
    "and tip charges": (*SPRINGS, "charges", "charge_heights"),
}

#: Å between two relaxed probes that makes them different branches.
OTHER_BRANCH = 1e-2


def inputs(data: AFMData, fields: tuple[str, ...]) -> tuple[AFMData, TipParameters, list[Tensor]]:
    """``data`` and a CO tip with what is to be differentiated, and that: positions and charges, and with
    ``fields`` these of the tip and its height."""
    data, parameters = data.clone(), TipParameters.from_tips(Tip())
    leaves = [data.pos, data.charge]
    if fields:
        leaves += [data.z_top, *(getattr(parameters, name) for name in fields)]
    leaves = [v.detach().clone().requires_grad_() for v in leaves]
    data.pos, data.charge = leaves[:2]
    if fields:
        data.z_top, parameters = leaves[2], replace(parameters, **dict(zip(fields, leaves[3:], strict=True)))
    return data, parameters, leaves


def gradient(
    renderer: ProbeParticleModel, data: AFMData, parameters: TipParameters, leaves: list[Tensor]
) -> Any:
    """A function that goes back through a rendered stack, from a fixed gradient in it, 0 where told."""
    stack = renderer(data, parameters)
    seed = torch.linspace(-1, 1, stack.numel(), dtype=stack.dtype).reshape(stack.shape).sin()
    return lambda of=1.0: torch.autograd.grad(stack, leaves, seed * of, retain_graph=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2)
    repeats = parser.parse_args().repeats
    double = ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch")
    renderers = {
        "torch float64": double,
        "torch float32": ProbeParticleModel(SCAN, backend="torch"),
        "OpenCL": ProbeParticleModel(SCAN, backend="opencl"),
    }
    rows: list[dict[str, Any]] = []
    for case in CASES:
        data, _, _ = load(case)
        branch = double.relax(data).probe
        exact = gradient(double, *inputs(data, ()))
        for name, renderer in renderers.items():
            times = repeats if name != "OpenCL" else 5 * repeats
            other = (renderer.relax(data).probe - branch).norm(dim=-1) > OTHER_BRANCH
            same = ~other.any(dim=2, keepdim=True)
            by_pos = exact(same)[0]
            forward = measure(lambda r=renderer, d=data: r(d), times)  # type: ignore[misc]
            for kind, fields in KINDS.items():
                backward = gradient(renderer, *inputs(data, fields))
                error = (backward(same)[0] - by_pos).norm() / by_pos.norm()
                rows.append(
                    {
                        "molecule": case.removesuffix("_pc"),
                        "atoms": len(data.z),
                        "renderer": name,
                        "gradient_in": kind,
                        "error": float(error),
                        "other_branch": int(other.sum()),
                        "forward": forward,
                        "backward": measure(backward, repeats),
                    }
                )

    def ratio(row: dict[str, Any]) -> float:
        return row["backward"]["cpu_s"]["median"] / row["forward"]["cpu_s"]["median"]

    settings = {"scan": to_dict(SCAN), "opencl_device": get_queue().device.name, "seed": None}
    command = f"python -m benchmarks.rendering.gradients --repeats {repeats}"
    path = write("gradients", command, rows, settings, ["torch", "numpy", "pyopencl"])
    print(
        table(
            rows,
            {
                "molecule": lambda r: f"{r['molecule']} ({r['atoms']} atoms)",
                "renderer": lambda r: r["renderer"],
                "gradient in": lambda r: r["gradient_in"],
                "forward CPU ms": lambda r: f"{1e3 * r['forward']['cpu_s']['median']:.0f}",
                "backward CPU ms": lambda r: f"{1e3 * r['backward']['cpu_s']['median']:.0f}",
                "backward / forward": lambda r: f"{ratio(r):.2f}",  # type: ignore[arg-type]
                "error": lambda r: f"{r['error']:.1e}",
                "other branch": lambda r: f"{r['other_branch']} of {SCAN.n_heights * SCAN.pixels[0] ** 2}",
            },
        )
    )
    print(f"written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}")


if __name__ == "__main__":
    main()
