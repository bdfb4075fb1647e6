"""Places where a scan may show an atom, and structures that have some of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from torch_afm.data import AFMData, covalent_bonds
from torch_afm.elements import AtomClasses
from torch_afm.prediction.atoms import concat_graphs, far_from
from torch_afm.prediction.chemistry import can_join
from torch_afm.prediction.result import Prediction

#: Label of a place without an atom.
NONE = -1

#: Probabilities are kept so far from 0 and 1: nothing is sure.
_EDGE = 0.02

#: Power of the probability of a class, see :class:`Sites`.
_CLASS = 4.0

#: Classes less probable than this are no alternative.
MIN_CLASS = 0.05

#: Standard deviation in Å of a position that nobody gave one.
_SIGMA = 0.2


@dataclass(frozen=True)
class Sites:
    r"""Places where there may be an atom. A structure has a label for each: a class, or none. Before its
    image is looked at its probability is

    .. math::
        P(l) \propto \prod_{i: l_i} \frac{p_i}{1 - p_i} \left(\frac{c_{i, l_i}}{\max_k c_{ik}}\right)^4

    with the probabilities :math:`p_i` that there is an atom and :math:`c_{ik}` that it is of class k. The
    latter count four times: an element hardly changes an image, and what is wrong with an image is seldom
    that. (Where the network wavers between two classes in scenes of the stand-in, the likelihood of images
    tells a seventh as much of the class as of whether there is an atom.)

    Args:
        pos: in Å.
        sigma: standard deviations of these in Å.
        charge: in e.
        real: :math:`p_i`.
        shares: :math:`c_{ik}`.
        deep: whether the atom belongs to the context, below the surface cut.
        bonds: probability of a bond of each two, as the network sees it; NaN where it was not asked.
        given: label of each in the prediction.
        classes: of the network.

    Shapes:
        pos and sigma ``[M, 3]``, charge, real, deep and given ``[M]``, shares ``[M, K]``, bonds ``[M, M]``.
    """

    pos: Tensor
    sigma: Tensor
    charge: Tensor
    real: Tensor
    shares: Tensor
    deep: Tensor
    bonds: Tensor
    given: Tensor
    classes: AtomClasses

    @classmethod
    def from_prediction(cls, prediction: Prediction, cut: float) -> Sites:
        """The atoms of a prediction, by any network, and of its context, and those that the last pass of the
        network proposed and that were not added. Probabilities are the network's, not calibrated ones: by
        these it decided what to add.

        Args:
            prediction: the prediction.
            cut: height in Å below which proposed atoms belong to the context.
        """
        whole = concat_graphs([prediction.graph, prediction.context])
        n = len(whole.z)
        given = prediction.classes.index_of(whole.z) - 1
        bonds = torch.full((n, n), torch.nan)
        bonds[tuple(whole.edge_index)] = whole.bond_probability
        deep = torch.arange(n) >= len(prediction.graph.z)
        sites = cls(
            whole.pos,
            whole.sigma if "sigma" in whole else torch.full((n, 3), _SIGMA),
            whole.charge,
            whole.confidence.clamp(_EDGE, 1 - _EDGE),
            whole.class_probabilities,
            deep,
            bonds,
            given,
            prediction.classes,
        )
        proposed = prediction.steps[-1].proposal.atoms if prediction.steps else whole
        new = far_from(proposed.pos, whole.pos)
        if not new.any():
            return sites
        return sites.extended(
            proposed.pos[new],
            proposed.sigma[new] if "sigma" in proposed else torch.full((int(new.sum()), 3), _SIGMA),
            proposed.confidence[new],
            proposed.class_probabilities[new],
            proposed.pos[new, 2] < cut,
        )

    def extended(self, pos: Tensor, sigma: Tensor, real: Tensor, shares: Tensor, deep: Tensor) -> Sites:
        """With further places, which the prediction leaves empty.

        Shapes:
            pos and sigma ``[L, 3]``, real and deep ``[L]``, shares ``[L, K]``.
        """
        n, m = len(self.pos), len(self.pos) + len(pos)
        bonds = torch.full((m, m), torch.nan)
        bonds[:n, :n] = self.bonds
        return dataclasses.replace(
            self,
            pos=torch.cat([self.pos, pos]),
            sigma=torch.cat([self.sigma, sigma]),
            charge=torch.cat([self.charge, torch.zeros(m - n)]),
            real=torch.cat([self.real, real.clamp(_EDGE, 1 - _EDGE)]),
            shares=torch.cat([self.shares, shares]),
            deep=torch.cat([self.deep, deep]),
            bonds=bonds,
            given=torch.cat([self.given, torch.full((m - n,), NONE)]),
        )

    def log_prior(self, labels: Tensor) -> float:
        r""":math:`\ln P(l)` up to a constant, ``labels`` ``[M]``."""
        there = labels != NONE
        share = self.shares.gather(1, labels.clamp(min=0)[:, None])[:, 0].clamp(min=_EDGE)
        share = share / self.shares.amax(dim=1).clamp(min=_EDGE)
        return float((self.real.logit() + _CLASS * share.log())[there].sum())

    def fits(self, labels: Tensor, site: int, label: int) -> bool:
        """Whether an atom of a class can join the structure of some labels at a site."""
        there = (labels != NONE).nonzero().flatten()
        there = there[there != site]
        structure = AFMData(z=self._elements(labels[there]), pos=self.pos[there])
        atom = AFMData(z=self._elements(torch.tensor([label])), pos=self.pos[site : site + 1])
        return bool(can_join(atom, structure)[0])

    def selected(self, index: Tensor) -> Sites:
        """Some of the places, by indices or booleans."""
        keys = ("pos", "sigma", "charge", "real", "shares", "deep", "given")
        parts = {key: getattr(self, key)[index] for key in keys}
        return dataclasses.replace(self, bonds=self.bonds[index][:, index], **parts)

    def moved(self, site: Tensor, pos: Tensor, charge: Tensor) -> Sites:
        """With some of the places ``[N]`` elsewhere, and the charges there."""
        return dataclasses.replace(
            self, pos=self.pos.index_copy(0, site, pos), charge=self.charge.index_copy(0, site, charge)
        )

    def choices(self, site: int) -> list[int]:
        """Classes that an atom at a site may be of, the most probable first."""
        order = self.shares[site].argsort(descending=True, stable=True).tolist()
        return [k for k in order if k == order[0] or self.shares[site, k] >= MIN_CLASS]

    def structure(self, labels: Tensor) -> AFMData:
        """All atoms of some labels, with the keys of a prediction, and ``site``, where each belongs. Bonds
        are those that the network sees with at least one half, and of pairs that it was not asked about those
        of covalent radii, with the product of the probabilities of both atoms."""
        site = (labels != NONE).nonzero().flatten()
        z, pos, real = self._elements(labels[site]), self.pos[site], self.real[site]
        asked = self.bonds[site][:, site]
        radii = torch.zeros_like(asked)
        radii[tuple(covalent_bonds(z, pos))] = 1.0
        known = ~(self.given[site] == NONE)
        among = known[:, None] & known
        probability = torch.where(among, asked.nan_to_num(0.0), radii * real[:, None] * real)
        edges = torch.where(among, asked > 0, radii > 0).nonzero().T
        return AFMData(
            z=z,
            pos=pos,
            charge=self.charge[site],
            sigma=self.sigma[site],
            confidence=real,
            class_probabilities=self.shares[site],
            edge_index=edges,
            bond_probability=probability[tuple(edges)],
            site=site,
        )

    def _elements(self, labels: Tensor) -> Tensor:
        return self.classes.representative(labels + 1)
