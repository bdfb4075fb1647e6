"""What all methods of learning a translation without pairs share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import Module, ModuleDict, Parameter

from torch_afm.config.style import StyleConfig
from torch_afm.models import StyleTranslator
from torch_afm.style.critic import Critic
from torch_afm.utils import InputError


class GeneratorStep(NamedTuple):
    """What the generators are trained by.

    Args:
        loss: their whole loss.
        terms: its terms before their factors, for learning curves.
        translations: translations of the batch by the domain they look like, ``"b"`` or ``"a"``, which the
            critic of that domain learns to tell from real stacks.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    translations: dict[str, Tensor]


class UnpairedTranslation(Module, ABC):
    """A method of learning the translation from domain A to B without pairs. A subclass is found by its
    name, ``class CycleGAN(UnpairedTranslation, method="cyclegan")``, in the settings
    (:class:`~torch_afm.train.StyleConfig`); training, checkpoints, evaluation and translation are the same
    for all.

    Every domain that the method translates to has a :class:`~torch_afm.style.Critic` in ``critics`` and a
    :class:`~torch_afm.models.StyleTranslator` in ``translators``, both by its name, ``"b"`` or ``"a"``.

    Args:
        config: the settings of the run.
    """

    registry: ClassVar[dict[str, type[UnpairedTranslation]]] = {}

    def __init_subclass__(cls, method: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.registry[method] = cls

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        self.config = config
        self.rng = torch.Generator().manual_seed(config.seed)
        self.translators = ModuleDict({"b": StyleTranslator(config.translator)})
        self.critics = ModuleDict()

    @abstractmethod
    def generator_step(self, a: Tensor, b: Tensor) -> GeneratorStep:
        """Loss of the generators on a batch.

        Shapes:
            a ``[B, Z, Y, X]`` and b ``[B', Z', Y, X]``, scaled.
        """

    def translator(self, domain: str) -> StyleTranslator:
        """That to ``domain``."""
        return cast(StyleTranslator, self.translators[domain])

    def critic(self, domain: str) -> Critic:
        """That of ``domain``."""
        return cast(Critic, self.critics[domain])

    def critic_loss(self, domain: str, real: Tensor, translated: Tensor) -> Tensor:
        """Loss of the critic of ``domain`` on scaled stacks ``[B, Z, Y, X]``."""
        critic = self.critic(domain)
        return (critic.loss(real, 1.0) + critic.loss(translated.detach(), 0.0)) / 2

    def generator_parameters(self) -> Iterator[Parameter]:
        """All that is no critic's."""
        critics = {id(parameter) for parameter in self.critics.parameters()}
        return (parameter for parameter in self.parameters() if id(parameter) not in critics)

    def translate(self, domain: str, stack: Tensor) -> Tensor:
        """Scaled stacks ``[B, Z, Y, X]`` in the style of ``domain``, with gradients."""
        translator = self.translator(domain)
        return translator.network(translator.images(stack, self.rng)).view_as(stack)


def make_method(config: StyleConfig) -> UnpairedTranslation:
    """The method that the settings name, with new weights.

    Raises:
        InputError: for a name that no method has.
    """
    registry = UnpairedTranslation.registry
    if config.method not in registry:
        raise InputError(f"method: expected one of {', '.join(sorted(registry))}, got {config.method!r}")
    return registry[config.method](config)
