"""Training samples a second of the network alone (forward, loss, backward, Adam) on a CPU: its plain forms
and the exact rewrites, float32 and bfloat16. The plain forms are the equations as they stand: 3-D
convolutions, and attention by way of the map of all attention channels. Both have the same parameters, and
the gradients that they give are compared in float64 first.

    python -m benchmarks.training.rewrites [--preset thesis] [--threads 2] [--repeats 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Batch

from benchmarks.common import measure, table, write
from torch_afm.config import Scan, generator_config
from torch_afm.data import AFMData, from_smiles
from torch_afm.models import SequentialGenerator
from torch_afm.nn import FoldedConv3d, QueryAttentionGate, SequentialLoss
from torch_afm.train.memory import keep_memory
from torch_afm.transforms import Orient, RandomMutant

PIXELS = (64, 128)
BATCHES = (8, 32)
SMILES = ("CC(=O)Nc1ccc(O)cc1", "c1ccc2ccccc2c1", "CCOC(=O)c1ccccc1", "Clc1cccc(Br)c1")


def plain_gate(
    gate: QueryAttentionGate, x: Tensor, g: Tensor, query: Tensor, maps: Tensor | None = None
) -> Tensor:
    up = F.interpolate(g, size=x.shape[-2:], mode="bilinear", align_corners=False)
    s = x + gate.global_conv(up).relu()
    weights = gate.attention_scale * query.softmax(dim=1)[:, :, None, None]
    alpha = (gate.attention_conv(s) * weights).sum(dim=1).flatten(1).softmax(dim=1).view(-1, 1, *x.shape[-2:])
    out = (alpha * x).sum(dim=(2, 3))
    return out if maps is None else torch.cat([out, (alpha * maps).sum(dim=(2, 3))], dim=-1)


def plain_conv(conv: FoldedConv3d, x: Tensor) -> Tensor:
    stack = x.unflatten(1, (conv.in_channels, conv.depth))
    return F.conv3d(stack, conv.weight, conv.bias, padding=conv.padding).flatten(1, 2)


@contextmanager
def plain_forms() -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(QueryAttentionGate, "forward", plain_gate))
        stack.enter_context(mock.patch.object(FoldedConv3d, "forward", plain_conv))
        yield


def make(preset: str, pixels: int) -> SequentialGenerator:
    torch.manual_seed(0)
    settings = generator_config(preset)
    return SequentialGenerator(replace(settings, scan=replace(settings.scan, pixels=(pixels, pixels))))


def make_batch(scan: Scan, size: int) -> Batch:
    """Mutants of small molecules with random stacks: the network costs the same whatever they show."""
    generator = torch.Generator().manual_seed(0)
    samples: list[AFMData] = []
    for i in range(size):
        data = RandomMutant.apply(Orient()(from_smiles(SMILES[i % len(SMILES)])), range(2), z_min=-9.0)
        data = AFMData(**{key: data[key] for key in data.to_dict() if isinstance(data[key], Tensor)})
        data.reference, data.simulated = torch.randn(2, 1, 1, *scan.shape, generator=generator).unbind()
        samples.append(data)
    return Batch.from_data_list(samples)


def step(model: SequentialGenerator, batch: Batch, optimizer: torch.optim.Optimizer, precision: str) -> float:
    loss = SequentialLoss(model.classes, model.config.z_min)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        total = loss(model(batch), batch).total
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    return float(total.detach())


def difference(preset: str) -> float:
    """Largest relative difference between the gradients of the two forms in float64."""
    gradients: list[list[Tensor]] = []
    for form in (plain_forms, ExitStack):
        model = make(preset, 32).double()
        batch = make_batch(model.config.scan, 4).apply(lambda v: v.double() if v.is_floating_point() else v)
        with form():
            SequentialLoss(model.classes, model.config.z_min)(model(batch), batch).total.backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad and p.grad is not None])
    plain, rewritten = gradients
    scale = max(float(g.abs().max()) for g in plain)
    return max(float((a - b).abs().max()) for a, b in zip(plain, rewritten, strict=True)) / scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--preset", default="thesis", help="of SequentialGeneratorConfig")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    error = difference(args.preset)
    print(f"gradients of plain and rewritten forms differ by {error:.0e} in float64")
    forms = [("plain", "float32", "default"), ("plain", "float32", "kept")]
    forms += [("rewritten", "float32", "kept"), ("rewritten", "bfloat16", "kept")]
    rows: list[dict[str, Any]] = []
    for form, precision, memory in forms:
        # For good: the C library cannot be told to forget it.
        if memory == "kept" and not keep_memory():
            print("no glibc: memory is not kept")
        for pixels in PIXELS:
            for size in BATCHES:
                model = make(args.preset, pixels)
                batch = make_batch(model.config.scan, size)
                optimizer = torch.optim.Adam(model.parameters())
                with plain_forms() if form == "plain" else ExitStack():
                    times = measure(
                        lambda m=model, b=batch, o=optimizer, p=precision: step(m, b, o, p), args.repeats
                    )  # type: ignore[misc]
                row = {
                    "form": form,
                    "precision": precision,
                    "memory": memory,
                    "pixels": pixels,
                    "batch": size,
                }
                rows.append({**row, **times, "samples_per_s": size / times["wall_s"]["median"]})
                rows[-1]["cpu_ms_a_sample"] = 1e3 * times["cpu_s"]["median"] / size
                print({k: v for k, v in rows[-1].items() if not isinstance(v, dict)}, flush=True)

    def gain(row: dict[str, Any]) -> float:
        """CPU time of the plain form, as it is without any of this, over that of ``row``."""
        same = [r for r in rows if (r["pixels"], r["batch"]) == (row["pixels"], row["batch"])]
        base = same[0]
        return base["cpu_ms_a_sample"] / row["cpu_ms_a_sample"]

    settings = {"preset": args.preset, "threads": args.threads, "float64_difference": error, "seed": 0}
    command = f"python -m benchmarks.training.rewrites --preset {args.preset} --threads {args.threads}"
    path = write(f"rewrites_{args.preset}", command, rows, settings, ["torch", "torch-geometric"])
    columns = {
        "form": lambda r: (
            f"{r['form']}, {r['precision']}" + (", memory kept" if r["memory"] == "kept" else "")
        ),
        "pixels": lambda r: str(r["pixels"]),
        "batch": lambda r: str(r["batch"]),
        "CPU ms a sample": lambda r: f"{r['cpu_ms_a_sample']:.0f}",
        "samples/s (wall)": lambda r: f"{r['samples_per_s']:.1f}",
        "gain (CPU time)": lambda r: f"{gain(r):.1f}",
    }
    print(table(rows, columns))
    print(f"written to {path.name}")


if __name__ == "__main__":
    main()
