"""Units, stated once.

Lengths are in Å, energies in eV, charges in e, forces in eV/Å, spring constants in N/m at every public
surface, frequencies in Hz. These are the conversions between them.
"""

#: N/m in one eV/Å²: divide a spring constant in N/m by this to get eV/Å².
N_PER_M = 16.0217662

#: Coulomb constant, eV Å / e².
COULOMB = 14.399644

#: eV in one kcal/mol.
KCAL_PER_MOL = 0.0433641

#: Å in one m.
ANGSTROM_PER_M = 1e10
