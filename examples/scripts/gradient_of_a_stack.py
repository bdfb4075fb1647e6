"""An atom that is off by 0.2 Å finds its place by the gradient of the images alone."""

import torch

from torch_afm.config import Scan
from torch_afm.data import from_smiles
from torch_afm.functional import normalize_slices
from torch_afm.ppm import ProbeParticleModel, anchor_height

molecule = from_smiles("c1ccccc1")
ppm = ProbeParticleModel(Scan(pixels=(24, 24), window=((-5, 5), (-5, 5))))
z_top = anchor_height(molecule, ppm.scan, ppm.tip)
with torch.no_grad():
    target = normalize_slices(ppm(molecule, z_top=z_top))

truth = molecule.pos.clone()
top = int(truth[:, 2].argmax())
shift = torch.tensor([0.2, 0.0, 0.0], requires_grad=True)
optimiser = torch.optim.Adam([shift], lr=0.03)
for _ in range(20):
    moved = molecule.clone()
    moved.pos = truth.index_add(0, torch.tensor([top]), shift[None])
    loss = (normalize_slices(ppm(moved, z_top=z_top)) - target).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
print(f"off by 0.200 Å before, by {shift.detach().norm():.3f} Å after 20 steps")
