"""From a stack to a structure: search, chemistry, and a refinement through the simulator."""

from torch_afm.data import from_smiles, remove_atoms
from torch_afm.generation import RefinementSettings, predict_structure
from torch_afm.io import write_sdf, write_xyz
from torch_afm.metrics import match_atoms
from torch_afm.models import load_generator
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, best_rotations

molecule = from_smiles("Clc1ccccc1O")
molecule = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
model = load_generator("spatial")
ppm = ProbeParticleModel(model.config.scan)
z_top = anchor_height(molecule, ppm.scan, ppm.tip)
stack = ppm(molecule, z_top=z_top)

found = predict_structure(model, stack, ppm, float(z_top), refinement=RefinementSettings())
graph = found.graph

truth = remove_atoms(molecule, molecule.pos[:, 2] < model.config.z_min)
matching = match_atoms(graph.pos, truth.pos, cutoff=0.5)
print(f"{matching.pred.numel()} of {truth.z.numel()} visible atoms, {matching.distance.mean():.2f} Å off")
write_xyz("prediction.xyz", graph)
write_sdf("prediction.sdf", graph)
