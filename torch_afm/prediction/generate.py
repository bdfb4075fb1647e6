"""Generation of a graph from a stack, with any network."""

from __future__ import annotations

from torch import Tensor

from torch_afm.config.generators import MAX_ATOMS
from torch_afm.models import Generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.beam import Filter, run_beam
from torch_afm.prediction.loop import Job, run_greedy
from torch_afm.prediction.result import Prediction
from torch_afm.utils import InputError

#: Ways to search.
SEARCHES = ("greedy", "beam")


def generate(
    model: Generator,
    reference: Tensor,
    renderer: ProbeParticleModel,
    z_top: float,
    max_atoms: int = MAX_ATOMS,
    *,
    search: str = "greedy",
    views: int | None = None,
    amplitude: float | None = None,
    confidence: float | None = None,
    revisions: int = 2,
    atoms_per_step: int | None = None,
    width: int = 4,
    image_weight: float = 4.0,
    allowed: Filter | None = None,
) -> Prediction:
    r"""Generate a molecule graph with the simulator in the loop.

    **Greedy.** From an empty graph on: the graph so far is imaged by the simulator with the scan of the
    reference; the network compares the two stacks and proposes what is missing; all atoms of at least its
    ``confidence`` are appended, and so on until it proposes nothing more, or decides that no visible atom is
    missing (graph-AFM thesis, Aalto University (see CITATION.cff), section 4.1, where one atom is appended a
    step). A network that revises moves the atoms there to where it sees them now in each pass, and removes
    those that are hardly real; after the last addition that goes on for ``revisions`` passes, and a last one
    changes nothing. An atom proposed closer than 0.5 Å to an old one is not appended, which ends a generation
    that has no other atom to add. A class becomes the element that represents it; charges are 0.

    **Beam.** In each pass the graphs of the beam are imaged in one launch and proposals made for all. The
    score of a graph is

    .. math::
        S = \sum_v \log p_v + \sum_u \log(1 - q_u) + \log p_\mathrm{stop} - w D

    with the network's probabilities :math:`p_v` of its atoms to be real, :math:`q_u` of
    visible atoms that it still sees missing, :math:`p_\mathrm{stop}` that none is, and the distance :math:`D`
    of its image from the reference (:func:`image_distance`). Its children are: all confident atoms added at
    once; that without the least certain of them; that with the best of those below the threshold, and with
    all of these; the least certain atom there removed. In each child the atoms are revised, so early mistakes
    are undone: removed, moved, or replaced. The ``width`` most likely of the children that were not tried
    before make the next beam. The search ends when no graph has become better for two passes, and gives the
    best of all.

    Args:
        model: the generator; runs in evaluation mode, its mode is restored.
        reference: measured or simulated Δf stack in Hz, not normalized.
        renderer: simulator with the scan of the reference and with the tip that graphs are imaged with. The
            scan is the model's; a network of whole scans takes any window, and fewer slices.
        z_top: first anchor height of the reference in Å, with the top atom at z = 0.
        max_atoms: most atoms in the graph, context included.
        search: ``"greedy"`` or ``"beam"``.
        views: symmetric views that each proposal is the mean of, see
            :meth:`torch_afm.models.Generator.propose`; default the most that the network can do.
        amplitude: of the oscillation, peak to peak in Å, as the network is shown it, 0 where nobody knows;
            default that of the renderer's scan.
        confidence: confidence from which an atom is added at once; default the network's.
        revisions: greedy: passes that revise atoms after the last addition; with 0 no atom is ever revised.
        atoms_per_step: greedy: most atoms added between two images, the most confident; all by default.
        width: beam: graphs of a beam.
        image_weight: beam: :math:`w`; 0 leaves the decision to the network.
        allowed: beam: which atoms of a graph may join another, such as
            :func:`torch_afm.prediction.chemistry.can_join`; all by default.

    Shapes:
        reference ``[1, 1, Z, Y, X]``.

    Raises:
        InputError: for a reference that is not finite or not on the renderer's scan, a scan that the model
            was not made for, another search, settings out of range, or a network that predicts no finite
            numbers.
    """
    job = Job(model, reference, renderer, z_top, views, amplitude)
    if search not in SEARCHES:
        raise InputError(f"search: expected 'greedy' or 'beam', got {search!r}")
    threshold = model.confidence if confidence is None else confidence
    if not 0 <= threshold <= 1:
        raise InputError(f"confidence: expected a share, got {threshold}")
    if atoms_per_step is not None and atoms_per_step < 1:
        raise InputError(f"atoms_per_step: expected 1 or more, got {atoms_per_step}")
    if max_atoms < 0 or revisions < 0:
        raise InputError(f"max_atoms, revisions: expected 0 or more, got {max_atoms} and {revisions}")
    with model.evaluating():
        if search == "greedy":
            return run_greedy(job, max_atoms, threshold, revisions, atoms_per_step)
        return run_beam(job, max_atoms, threshold, width, image_weight, allowed)
