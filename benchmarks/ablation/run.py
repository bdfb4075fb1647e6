"""What each idea of the training of the network for scans is worth, at an equal budget of CPU time: the
training of ``examples/configs/scan.yaml`` and others with one thing changed, for ``--minutes`` each, and
their scores on the scenes of the stand-in domain (validation part) by stratum, beside chance.

    nice -n 10 python -m benchmarks.ablation.run [--minutes 30] [--only base adam] [--processes 1]

CPU time is that of the training process and its workers, so that other work on the machine changes nothing.
Kill it whenever you like: the same command goes on from the last epochs and scenes that were finished, and
what is finished is not done again. The table is printed and written each time a variant is finished.
``--minutes`` more than before continue the trainings.

Scenes are the same for all variants, ``--scenes`` of the validation part, as many of each stratum; they are
predicted as ``benchmarks.standin.run`` does, not refined. Differences are those to the base, with intervals
by bootstrap over scenes; what other initial weights would change is not in them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ablation.budget import CpuMeter, follow_parent, train_for
from benchmarks.ablation.scores import ALL, SCORES, choose_scenes, compare
from benchmarks.ablation.variants import VARIANTS, Variant
from benchmarks.common import table, write
from benchmarks.standin.run import run_scene
from benchmarks.standin.strata import Scene, checksum, draw_scenes
from torch_afm.data import AFMData
from torch_afm.io.files import write_json
from torch_afm.io.journal import append_record, keep_settings, read_records


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30, help="of CPU, for each training")
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), metavar="NAME")
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--processes", type=int, default=1, help="variants at a time")
    parser.add_argument("--out", type=Path, default=Path("build/ablation"))
    args = parser.parse_args()
    scenes = choose_scenes(list(draw_scenes("validation")), args.scenes)
    variants = {name: VARIANTS[name] for name in args.only}
    for results in run_variants(variants, scenes, args.minutes, args.processes, args.out):
        report(results, args.minutes, scenes)


def run_variants(
    variants: Mapping[str, Variant], scenes: list[Scene], minutes: float, processes: int, out: Path
) -> Any:
    """Train and score variants, several at a time; the results of all that are finished, by name, each time
    that one is."""
    os.environ |= {"OMP_NUM_THREADS": "1", "POCL_MAX_PTHREAD_COUNT": "1"}
    finished: dict[str, dict[str, Any]] = {}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        jobs = {
            pool.submit(run_variant, variant, scenes, minutes, out / name): name
            for name, variant in variants.items()
        }
        for job in as_completed(jobs):
            finished[jobs[job]] = job.result()
            yield {name: finished[name] for name in variants if name in finished}


def run_variant(
    variant: Variant,
    scenes: Sequence[Scene],
    minutes: float,
    folder: Path,
    molecules: list[AFMData] | None = None,
) -> dict[str, Any]:
    """The training of a variant and its records of scenes, in the folder, or what stands there of them."""
    check = follow_parent()
    folder.mkdir(parents=True, exist_ok=True)
    done, trained = folder / "trained.json", None
    if done.exists():
        trained = json.loads(done.read_text("utf-8"))
    if trained is None or trained["minutes"] < minutes:
        trained = {"minutes": minutes, **train_for(variant.config(folder), minutes, molecules, check)}
        write_json(done, trained)
    with CpuMeter(folder / "scenes_cpu.json", check):
        records = run_scenes(scenes, folder)
    return {"text": variant.text, **trained, "records": records}


def run_scenes(scenes: Sequence[Scene], folder: Path) -> list[dict[str, Any]]:
    """The record of each scene by the weights in ``folder/model``; those of the same weights that stand in
    the folder are not made again."""
    digest = hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()
    kept = folder / "scenes" / digest[:16]
    kept.mkdir(parents=True, exist_ok=True)
    keep_settings(kept / "settings.json", {"weights_sha256": digest}, description="records of scenes")
    records = {record["scene"]: record for record in read_records(kept / "records.jsonl")}
    for i in np.random.default_rng(0).permutation(len(scenes)):
        if scenes[i].number not in records:
            record = run_scene(scenes[i], str(folder / "model"), refine=False)
            append_record(kept / "records.jsonl", record)
            records[record["scene"]] = record
    return [records[scene.number] for scene in scenes]


def report(results: Mapping[str, Mapping[str, Any]], minutes: float, scenes: Sequence[Scene]) -> Path:
    """Print the tables of the variants that are finished, and write ``benchmarks/results``."""
    base = results["base"]["records"] if "base" in results else None
    rows: list[dict[str, Any]] = []
    for name, result in results.items():
        common = {"variant": name, "text": result["text"]}
        common |= {key: result[key] for key in ("epochs", "samples")}
        common |= {"cpu_minutes": result["cpu_s"] / 60, "val": result["val"][-1]}
        compared = compare(result["records"], None if name == "base" else base)
        rows += [common | row for row in compared]
    command = f"python -m benchmarks.ablation.run --minutes {minutes:g} --scenes {len(scenes)}"
    settings = {"minutes": minutes, "scenes": len(scenes), "scenes_sha256": checksum(list(scenes))}
    settings["val"] = {name: result["val"] for name, result in results.items()}
    path = write("ablation_scan", command, rows, settings, ("torch", "numpy", "rdkit"))
    print(f"\n{table([row for row in rows if row['stratum'] == ALL], COLUMNS)}\n")
    print(f"F1 by stratum, and differences to the base\n\n{stratum_table(rows)}\n")
    print(f"wrote {path.name}", flush=True)
    return path


def stratum_table(rows: Sequence[Mapping[str, Any]], score: str = "f1") -> str:
    """Markdown table of a score: a stratum a row, a variant a column; of the base the score, of others the
    difference, bold where its interval is clear of 0."""
    names = list(dict.fromkeys(row["variant"] for row in rows))
    found = {(row["stratum"], row["variant"]): row for row in rows}
    strata = list(dict.fromkeys(row["stratum"] for row in rows))
    lines = [{"stratum": stratum} | {n: found[stratum, n] for n in names} for stratum in strata]
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {"stratum": lambda line: line["stratum"]}
    columns |= {name: lambda line, name=name: _change(line[name], score) for name in names}
    return table(lines, columns)


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"


def _change(row: Mapping[str, Any], score: str) -> str:
    """The difference of a row to the base, or the score where there is none."""
    key = f"{score}_difference"
    if row.get(key) is None:
        return _number(row[score])
    ends, text = row[f"{key}_interval"], _number(row[key], "+")
    return f"**{text}**" if ends and (ends[0] > 0 or ends[1] < 0) else text


def _with_interval(score: str) -> Callable[[Mapping[str, Any]], str]:
    def shown(row: Mapping[str, Any]) -> str:
        ends = row.get(f"{score}_difference_interval")
        text = _number(row[score])
        if ends is None:
            return text
        change = _number(row[f"{score}_difference"], "+")
        return f"{text}, {change} ({ends[0]:+.3f} to {ends[1]:+.3f})"

    return shown


COLUMNS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "variant": lambda row: row["variant"],
    "what differs": lambda row: row["text"],
    "samples": lambda row: f"{row['samples']:,}",
    "CPU minutes": lambda row: f"{row['cpu_minutes']:.1f}",
} | {name: _with_interval(name) for name in SCORES}


if __name__ == "__main__":
    main()
