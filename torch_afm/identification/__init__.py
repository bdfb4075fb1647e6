"""Which molecule a scan shows, and how it lies."""

from torch_afm.identification.candidates import Candidate, orientations, read_candidates
from torch_afm.identification.fits import Fitter
from torch_afm.identification.identify import identify
from torch_afm.identification.objective import PoseObjective
from torch_afm.identification.pose import Pose, PoseModel
from torch_afm.identification.result import Answer, Identification
from torch_afm.identification.search import PoseSearch, Start
from torch_afm.identification.torsions import Torsion, soft_torsions

__all__ = [
    "Answer",
    "Candidate",
    "Fitter",
    "Identification",
    "Pose",
    "PoseModel",
    "PoseObjective",
    "PoseSearch",
    "Start",
    "Torsion",
    "identify",
    "orientations",
    "read_candidates",
    "soft_torsions",
]
