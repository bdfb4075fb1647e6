"""Training steps rendered on the fly, in batches: two stacks, a graph that lacks atoms, and the targets."""

from torch_afm.config import Scan
from torch_afm.datasets import AFMDataset, EpochSampler, MoleculeDataset, step_loader

molecules = MoleculeDataset(["c1ccccc1", "CCO", "Clc1ccccc1O"])
dataset = AFMDataset(molecules, Scan(pixels=(32, 32)), rotations=4, candidates=50)
sampler = EpochSampler(len(dataset), num_samples=8)
loader = step_loader(dataset, batch_size=4, sampler=sampler)

for epoch in range(2):  # other mutants, tips and noise each time, the same on every run
    sampler.set_epoch(epoch)
    for batch in loader:
        left, gone = batch.z.numel(), batch.missing_z.numel()
        print(f"epoch {epoch}: stacks {tuple(batch.reference.shape)}, {left} atoms there, {gone} to find")
