"""The way of a molecule through the package: which modules it passes from SMILES to report.

``python -m benchmarks.house.walk`` simulates a molecule, predicts its structure from the stack, refined, and
writes the files. Each call of a function of the package by another is counted once; calls in a row within one
module are one stay there. A return is a stay in a module that was left before.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.common import write
from torch_afm import ProbeParticleModel, from_smiles, load_generator, predict
from torch_afm.config import to_dict
from torch_afm.io import AFMStack
from torch_afm.ppm import anchor_height
from torch_afm.prediction import predict_structure
from torch_afm.prediction.refinement import RefinementSettings
from torch_afm.transforms import Orient, flat_rotation


class Walk:
    """Calls between functions of the package, as a profiler sees them.

    Args:
        follow: count only calls that are given this very object.
    """

    def __init__(self, follow: object | None = None) -> None:
        self.follow = follow
        self.calls: dict[tuple[str, str], str] = {}

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        name = _name(frame)
        if event != "call" or name is None:
            return
        code = frame.f_code
        if self.follow is not None:
            given = [
                frame.f_locals.get(v) for v in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            ]
            if not any(value is self.follow for value in given):
                return
        caller = frame.f_back
        while caller is not None and _name(caller) is None:
            caller = caller.f_back
        self.calls.setdefault(("" if caller is None else _name(caller) or "", name), name)

    @property
    def stays(self) -> list[str]:
        """Modules in the order they are passed."""
        modules = [name.partition(":")[0] for name in self.calls.values()]
        return [m for i, m in enumerate(modules) if i == 0 or modules[i - 1] != m]

    def summary(self) -> dict[str, int]:
        """Numbers of stays, of modules, and of returns."""
        stays = self.stays
        return {"stays": len(stays), "modules": len({*stays}), "returns": len(stays) - len({*stays})}


def _name(frame: FrameType) -> str | None:
    """Module and function of a frame of the package; none for other code, and what Python writes itself."""
    module = str(frame.f_globals.get("__name__", ""))
    function = frame.f_code.co_qualname
    if not module.startswith("torch_afm.") or function.endswith(
        ("<module>", "<lambda>", "<genexpr>", "<listcomp>")
    ):
        return None
    return f"{module.removeprefix('torch_afm.')}:{function}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smiles", default="Oc1ccccc1")
    parser.add_argument("--name", default="house_walk")
    args = parser.parse_args()
    model = load_generator("spatial")
    ppm = ProbeParticleModel(model.config.scan)

    walk = Walk()
    sys.setprofile(walk)
    try:
        molecule = from_smiles(args.smiles)
        molecule = Orient(flat_rotation(molecule.pos))(molecule)
        z_top = float(anchor_height(molecule, ppm.scan, ppm.tip))
        images = ppm(molecule, z_top=z_top)
        meta = {"scan": to_dict(ppm.scan), "tip": to_dict(ppm.tip), "z_top": z_top}
        scan = ppm.scan
        stack = AFMStack(images[0].numpy(), scan.x, scan.y, scan.slice_heights(z_top), meta)
        with tempfile.TemporaryDirectory() as folder:
            predict(stack).write(Path(folder))
    finally:
        sys.setprofile(None)

    follow = Walk(images)
    sys.setprofile(follow)
    try:
        predict_structure(model, images, ppm, z_top, refinement=RefinementSettings())
    finally:
        sys.setprofile(None)

    for i, (caller, callee) in enumerate(walk.calls):
        if caller.partition(":")[0] != callee.partition(":")[0]:
            print(f"{i:4}  {callee}  from {caller or 'the user'}")
    rows = {"SMILES to report": walk.summary(), "reference through predict_structure": follow.summary()}
    for name, row in rows.items():
        print(f"{name}: {row['stays']} stays in {row['modules']} modules, {row['returns']} returns")
    print("the reference passes " + " → ".join(follow.stays))
    write(
        args.name,
        f"python -m benchmarks.house.walk --smiles '{args.smiles}'",
        [{"walk": name, **row} for name, row in rows.items()],
        {"smiles": args.smiles},
        ("torch_afm",),
    )


if __name__ == "__main__":
    main()
