"""Which molecule a scan shows, and how it lies."""

from torch_afm.identification.candidates import Candidate, orientations, read_candidates
from torch_afm.metrics.evidence import noise_floor, other_evidence, probabilities
from torch_afm.identification.fingerprint import fingerprint, nearest_candidates, similarity, tanimoto
from torch_afm.identification.identify import Fitter, identify
from torch_afm.identification.pose import Pose, PoseObjective
from torch_afm.identification.result import Answer, Identification
from torch_afm.identification.search import PoseSearch, Start

__all__ = [
    "Answer",
    "Candidate",
    "Fitter",
    "Identification",
    "Pose",
    "PoseObjective",
    "PoseSearch",
    "Start",
    "fingerprint",
    "identify",
    "nearest_candidates",
    "noise_floor",
    "orientations",
    "other_evidence",
    "probabilities",
    "read_candidates",
    "similarity",
    "tanimoto",
]
