"""Predictions of known molecules, with mistakes."""

import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.elements import ORGANIC, AtomClasses
from torch_afm.io import AFMStack
from torch_afm.models import Proposal, Step
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import Prediction
from torch_afm.prediction.atoms import no_atoms

SCAN = Scan(window=((-6.0, 6.0), (-6.0, 6.0)), pixels=(32, 32), n_slices=4)
CLASSES = AtomClasses(tuple((symbol,) for symbol in ORGANIC))
Z_TOP = 8.6
CUT = -0.7


def predicted(z, pos, confidence, shares=None):
    """A graph as a network predicts it; ``shares``: probability of other classes of some atoms."""
    z, pos = torch.as_tensor(z, dtype=torch.long), torch.as_tensor(pos, dtype=torch.float32)
    classes = torch.nn.functional.one_hot(CLASSES.index_of(z) - 1, len(CLASSES) - 1).float()
    for atom, (other, share) in (shares or {}).items():
        classes[atom] *= 1 - share
        classes[atom, int(CLASSES.index_of(torch.tensor([other]))) - 1] += share
    edges = covalent_bonds(z, pos)
    return AFMData(
        z=z,
        pos=pos,
        charge=torch.zeros(len(z)),
        sigma=torch.full((len(z), 3), 0.1),
        confidence=torch.as_tensor(confidence, dtype=torch.float32),
        class_probabilities=classes,
        edge_index=edges,
        bond_probability=torch.full((edges.size(1),), 0.9),
    )


def as_prediction(graph, proposed=None):
    """A prediction whose last pass proposed atoms that were not added."""
    none = no_atoms(CLASSES)
    proposal = Proposal(none if proposed is None else proposed, 0.9, True)
    step = Step(graph, torch.zeros(1, 1, *SCAN.shape), proposal, none)
    return Prediction(graph, no_atoms(CLASSES), [step], "stop", CLASSES, SCAN, Tip(), Z_TOP)


def stack_of(atoms):
    """The stack of some atoms."""
    shown = AFMData(z=atoms.z, pos=atoms.pos, charge=torch.zeros(len(atoms.z)))
    image = ProbeParticleModel(SCAN).quiet()(shown, z_top=Z_TOP)
    z = SCAN.slice_heights(Z_TOP)
    return AFMStack(image[0].numpy(), SCAN.x, SCAN.y, z, {"unit": "Hz"})
