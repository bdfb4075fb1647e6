"""What the metrics say of a prediction that misses one atom and misplaces another."""

import torch

from torch_afm.data import from_smiles, remove_atoms
from torch_afm.metrics import edit_distance, match_atoms, match_bonds

truth = from_smiles("CCO")
missing = torch.arange(truth.z.numel()) == truth.z.numel() - 1
prediction = remove_atoms(truth, missing)
prediction.pos = prediction.pos.clone()
prediction.pos[0, 0] += 0.8  # Å

matching = match_atoms(prediction.pos, truth.pos, cutoff=0.5)
print(f"atoms: precision {matching.precision:.2f}, recall {matching.recall:.2f}, F1 {matching.f1:.2f}")
print(f"missing {matching.missing.tolist()}, extra {matching.extra.tolist()}")
bonds = match_bonds(prediction.edge_index, truth.edge_index, matching)
print(f"bonds: precision {bonds.precision:.2f}, recall {bonds.recall:.2f}")
print(f"edits to the truth: {edit_distance(prediction, truth, matching)}")
