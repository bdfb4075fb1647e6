"""``torch-afm demo``: one molecule through the whole job, and how well it went."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from rdkit import Chem

from torch_afm.cli.molecules import load_molecule, orient, simulate
from torch_afm.cli.parsers.demo import MOLECULE
from torch_afm.config.prediction import PredictOptions
from torch_afm.data import AFMData, remove_atoms, to_rdmol
from torch_afm.data.checks import check_island
from torch_afm.datasets.smi import canonical_smiles, embedded_smiles
from torch_afm.elements import AtomClasses, symbol
from torch_afm.io import write_stack, write_xyz
from torch_afm.io.files import write_json
from torch_afm.metrics import match_atoms
from torch_afm.models import load_generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import predict
from torch_afm.utils import InputError
from torch_afm.viz import plot_generation

#: Distances in Å up to which a predicted atom may stand for a true one.
CUTOFFS = (0.5, 1.0)


def main(args: Namespace) -> int:
    """Run the sub-command with the options of :func:`torch_afm.cli.parsers.demo.parse`."""
    model = load_generator(args.weights)
    smiles = MOLECULE if args.smiles is None and args.xyz is None else args.smiles
    molecule, name = load_molecule(args.xyz, smiles, args.seed)
    check_island("molecule", molecule)
    known = in_embedded_list(molecule)
    truth = orient(molecule, "best" if smiles else "as-is", args.seed, model.config.scan)
    visible = remove_atoms(truth, truth.pos[:, 2] < model.config.z_min)
    _check_classes(visible, model.classes, args.weights)
    stack = simulate(truth, name, ProbeParticleModel(model.config.scan, backend=args.backend))
    prediction = predict(stack, args.weights, PredictOptions(backend=args.backend))

    folder = Path(args.out)
    prediction.write(folder)
    scores = {str(cutoff): _scores(prediction.graph, visible, model.classes, cutoff) for cutoff in CUTOFFS}
    record = {
        "molecule": name,
        "in_embedded_list": known,
        "visible_atoms": visible.z.numel(),
        "scores": scores,
    }
    write_json(folder / "prediction.json", prediction.to_dict() | record)
    write_stack(folder / "stack.npz", stack)
    write_xyz(folder / "truth.xyz", truth)
    picture = plot_generation(
        prediction.graph, prediction.steps, stack, prediction.ended, prediction.context, truth=visible
    )
    picture.savefig(folder / "prediction.png", dpi=120)

    print(f"molecule   {name}, {'' if known else 'not '}in the list of molecules that the package trains on")
    print(
        f"           {truth.z.numel()} atoms, {visible.z.numel()} of them visible (less than "
        f"{-model.config.z_min:g} Å below the top atom)"
    )
    print(prediction.describe())
    for cutoff, row in scores.items():
        print(
            f"atoms      {row['matched']} within {cutoff} Å of a visible atom ({row['right_class']} of its "
            f"class): precision {row['precision']:.2f}, recall {row['recall']:.2f}, F1 {row['f1']:.2f}"
        )
    print(f"wrote      report.html, prediction.png, .xyz, .sdf, .json, truth.xyz and stack.npz to {folder}")
    return 0


def _check_classes(visible: AFMData, classes: AtomClasses, weights: str) -> None:
    """Refuse, before the work, a molecule that cannot be scored."""
    others = visible.z[~classes.has(visible.z)].unique().tolist()
    if others:
        known = f"the weights {weights!r} know ({', '.join(classes.names[1:])})"
        got = ", ".join(map(symbol, others))
        raise InputError(f"molecule: expected visible atoms of elements that {known}, got {got}")


def in_embedded_list(molecule: AFMData) -> bool:
    """Whether the molecule, stereochemistry aside, is in the package's list of molecules."""
    return canonical_smiles(Chem.MolToSmiles(to_rdmol(molecule))) in _listed()


@cache
def _listed() -> frozenset[str | None]:
    return frozenset(map(canonical_smiles, embedded_smiles()))


def _scores(predicted: AFMData, true: AFMData, classes: AtomClasses, cutoff: float) -> dict[str, Any]:
    """Scores of a one-to-one matching by distance alone, and how many of the pairs agree in their class."""
    matching = match_atoms(predicted.pos, true.pos, cutoff)
    agree = classes.index_of(predicted.z[matching.pred]) == classes.index_of(true.z[matching.true])
    return {
        "matched": matching.pred.numel(),
        "right_class": int(agree.sum()),
        "predicted": predicted.z.numel(),
        "precision": matching.precision,
        "recall": matching.recall,
        "f1": matching.f1,
        "mean_distance": float(matching.distance.mean()) if matching.distance.numel() else None,
    }
