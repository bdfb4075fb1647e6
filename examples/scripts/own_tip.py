"""A tip of one's own, and two tips as two channels of one stack."""

from torch_afm.config import Scan, Tip
from torch_afm.data import from_smiles
from torch_afm.ppm import ProbeParticleModel

soft = Tip(stiffness=(0.15, 0.15, 0.0), tilt=(0.2, 0.0))  # a CO that bends easily and leans to one side
charged = Tip(probe="Xe", charges=(0.3,), charge_heights=(0.0,))  # also Tip.preset("Xe")

ppm = ProbeParticleModel(Scan(pixels=(32, 32)), tip=soft)
stacks = ppm(from_smiles("CC(=O)O"), tip=[[soft, charged]])

for name, stack in zip(("soft CO", "Xe"), stacks[0], strict=True):
    print(f"{name}: contrast of the nearest slice {stack[-1].std():.2f} Hz")
