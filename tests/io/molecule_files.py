"""Texts of molecule files."""

from rdkit import Chem

from torch_afm.data import to_rdmol
from torch_afm.testing import water

WATER = "3\nwater\nO 0 0 0 -0.8\nH 0.76 0 -0.59 0.4\nH -0.76 0 -0.59 0.4\n"

SDF = Chem.MolToMolBlock(to_rdmol(water())) + "$$$$\n"

#: Methanol.
MOL2 = """@<TRIPOS>MOLECULE
methanol
6 5 0 0 0
SMALL
USER_CHARGES

@<TRIPOS>ATOM
1 C1 0.000 0.000 0.000 C.3 1 MOL 0.15
2 O1 1.420 0.000 0.000 O.3 1 MOL -0.70
3 H1 1.740 0.900 0.000 H 1 MOL 0.40
4 H2 -0.380 1.020 0.000 H 1 MOL 0.05
5 H3 -0.380 -0.510 0.880 H 1 MOL 0.05
6 H4 -0.380 -0.510 -0.880 H 1 MOL 0.05
@<TRIPOS>BOND
1 1 2 1
2 2 3 1
3 1 4 1
4 1 5 1
5 1 6 1
"""
