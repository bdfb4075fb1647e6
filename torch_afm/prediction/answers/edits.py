"""Edits of structures, judged by the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.elements import symbol
from torch_afm.prediction.answers.sites import NONE, Sites
from torch_afm.prediction.chemistry import open_bonds

#: Log-likelihood of an image that counts as one unit of log-probability. Residuals of structures of free
#: atoms are no noise: of atoms of the stand-in the logit of being right rises by a tenth to a thirteenth of
#: what the log-likelihood falls without them.
TEMPERATURE = 13.0

#: Probability that there is an atom at an open bond, and the standard deviation of its position in Å.
_OPEN, _OPEN_SIGMA = 0.1, 0.3

#: Å: edits that are made at once are farther apart, for each is judged as if it were alone; how many at
#: most, and the log-probability that each has to gain.
_DISTANCE, _MAX_EDITS, _MIN_GAIN = 2.0, 6, 0.05

#: Log-likelihoods of the images of all these structures.
Judge = Callable[[Sequence[AFMData]], list[float]]


class Edit(NamedTuple):
    """A change of one atom.

    Args:
        site: which.
        label: what becomes of it: a class, or none.
        gain: in log-probability, see :func:`log_posterior`.
    """

    site: int
    label: int
    gain: float


def log_posterior(sites: Sites, several: Sequence[Tensor], judge: Judge) -> list[float]:
    r"""The log-probability of structures given the scan, up to a constant,

    .. math::
        \ln P(l) + \frac{1}{T} \ln L(l), \qquad T = 13,

    with the probability of the sites and the likelihood of the image.

    Args:
        sites: the sites.
        several: labels ``[M]`` of each structure.
        judge: likelihoods of images.
    """
    images = judge([sites.structure(labels) for labels in several])
    return [
        sites.log_prior(labels) + image / TEMPERATURE for labels, image in zip(several, images, strict=True)
    ]


def judge_edits(sites: Sites, labels: Tensor, judge: Judge) -> list[Edit]:
    """All changes of one atom of a structure: it is removed, is of another class that the network thinks
    possible, or joins where there is none and room for one. One image each.

    Args:
        sites: the sites.
        labels: of the structure, ``[M]``.
        judge: likelihoods of images.
    """
    changes = list(_changes(sites, labels))
    several = [labels]
    for site, label in changes:
        changed = labels.clone()
        changed[site] = label
        several.append(changed)
    before, *after = log_posterior(sites, several, judge)
    return [Edit(*change, value - before) for change, value in zip(changes, after, strict=True)]


def apply_edits(sites: Sites, labels: Tensor, edits: Sequence[Edit]) -> tuple[Tensor, list[Edit]]:
    """The structure with the best edits of those that make it more probable, no two close to each other; and
    which these are."""
    edited, done = labels.clone(), list[Edit]()
    for edit in sorted(edits, key=lambda edit: -edit.gain):
        if edit.gain <= _MIN_GAIN or len(done) == _MAX_EDITS:
            break
        places = sites.pos[[other.site for other in done]]
        if done and float((places - sites.pos[edit.site]).norm(dim=1).min()) < _DISTANCE:
            continue
        edited[edit.site] = edit.label
        done.append(edit)
    return edited, done


def draw_edits(sites: Sites, labels: Tensor, edits: Sequence[Edit], generator: torch.Generator) -> Tensor:
    """A structure drawn around another: what is at each site is drawn by its probability given all others
    and the scan; atoms for which those drawn before leave no room are left out.

    Args:
        sites: the sites.
        labels: of the other structure, ``[M]``.
        edits: all of its edits.
        generator: of the draws.
    """
    drawn = labels.clone()
    by_site: dict[int, list[Edit]] = {}
    for edit in edits:
        by_site.setdefault(edit.site, []).append(edit)
    for site, choices in by_site.items():
        shares = torch.tensor([0.0, *(edit.gain for edit in choices)]).softmax(0)
        chosen = int(torch.multinomial(shares, 1, generator=generator))
        label = int(labels[site]) if chosen == 0 else choices[chosen - 1].label
        joins = label != NONE and drawn[site] == NONE
        drawn[site] = NONE if joins and not sites.fits(drawn, site, label) else label
    return drawn


def with_open_bonds(sites: Sites, labels: Tensor, cut: float) -> tuple[Sites, Tensor]:
    """Further sites at the open bonds of a structure (:func:`torch_afm.prediction.chemistry.open_bonds`),
    for hydrogen and for carbon, empty as yet; hidden atoms below others among them.

    Args:
        sites: the sites.
        labels: of the structure, ``[M]``.
        cut: height in Å below which they belong to the context.
    """
    structure = sites.structure(labels)
    z, pos = open_bonds(structure.z, structure.pos)
    known = torch.tensor([bool(sites.classes.has(n[None])[0]) for n in z], dtype=torch.bool)
    z, pos = z[known], pos[known]
    shares = torch.nn.functional.one_hot(sites.classes.index_of(z) - 1, sites.shares.size(1)).float()
    extended = sites.extended(
        pos, torch.full_like(pos, _OPEN_SIGMA), torch.full((len(z),), _OPEN), shares, pos[:, 2] < cut
    )
    return extended, torch.cat([labels, torch.full((len(z),), NONE)])


def describe(sites: Sites, before: Tensor, edit: Edit) -> str:
    """An edit of a structure with these labels in words."""
    now, then = (
        None if label == NONE else symbol(int(sites.classes.representative(torch.tensor([label + 1]))[0]))
        for label in (edit.label, int(before[edit.site]))
    )
    x, y, _ = sites.pos[edit.site].tolist()
    what = f"{then} removed" if now is None else f"{now} added" if then is None else f"{then} is {now}"
    return f"{what} at x {x:.1f}, y {y:.1f} Å"


def _changes(sites: Sites, labels: Tensor) -> Iterator[tuple[int, int]]:
    for site, label in enumerate(labels.tolist()):
        if label != NONE:
            yield site, NONE
        for other in sites.choices(site):
            if other != label and (label != NONE or sites.fits(labels, site, other)):
                yield site, other
