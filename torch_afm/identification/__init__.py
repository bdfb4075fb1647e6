"""Which molecule a scan shows, and how it lies."""

from torch_afm.identification.candidates import Candidate, orientations, read_candidates
from torch_afm.identification.fingerprint import fingerprint, nearest_candidates, similarity, tanimoto
from torch_afm.identification.fits import Fitter
from torch_afm.identification.identify import identify
from torch_afm.identification.objective import PoseObjective
from torch_afm.identification.pose import Pose, PoseModel
from torch_afm.identification.result import Answer, Identification
from torch_afm.identification.search import PoseSearch, Start
from torch_afm.identification.short import Coarse, ShortFits, coarse_heights
from torch_afm.identification.torsions import Torsion, soft_torsions

__all__ = [
    "Answer",
    "Candidate",
    "Coarse",
    "Fitter",
    "Identification",
    "Pose",
    "PoseModel",
    "PoseObjective",
    "PoseSearch",
    "ShortFits",
    "Start",
    "Torsion",
    "coarse_heights",
    "fingerprint",
    "identify",
    "nearest_candidates",
    "orientations",
    "read_candidates",
    "similarity",
    "soft_torsions",
    "tanimoto",
]
