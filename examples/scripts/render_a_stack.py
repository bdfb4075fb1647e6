"""A molecule, its best orientation, and the stack of images that a CO tip takes of it."""

from torch_afm.config import Scan
from torch_afm.data import from_smiles
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import Orient, best_rotations
from torch_afm.viz import plot_stack

molecule = from_smiles("Oc1ccc2ccccc2c1Cl")
molecule = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)  # the most atoms near the top

ppm = ProbeParticleModel(Scan(pixels=(64, 64)))
stack = ppm(molecule)  # [1, 1, Z, Y, X], Hz

print(f"{tuple(stack.shape)}: {stack.min():.1f} to {stack.max():.1f} Hz")
plot_stack(stack[0].numpy(), ppm.scan.x, ppm.scan.y).savefig("stack.png")
