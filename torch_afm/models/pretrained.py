"""Networks as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import safetensors.torch
from torch.nn import Module

from torch_afm.config import from_dict, to_dict
from torch_afm.io.files import write_json, write_whole
from torch_afm.utils import InputError

_WEIGHTS = Path(__file__).parent / "weights"

#: Class by the name that stored settings give it, where that is not its name; ``None``: they give none, as in
#: the days of a single network.
_OLD_NAMES: dict[str | None, str] = {None: "SequentialGenerator", "GraphGenerator": "SequentialGenerator"}


class SavedModel(NamedTuple):
    """A saved network before it is built: its folder, the name of its class, and its settings."""

    folder: Path
    model: str
    settings: dict[str, Any]


class Pretrained(Module):
    """A network that :meth:`save_pretrained` writes and :meth:`from_pretrained` reads.

    Attributes:
        config: its settings, of the class ``Config``, from which ``type(self)(config)`` makes another one.
    """

    Config: ClassVar[type]
    config: Any

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``model.safetensors`` and ``config.json`` into ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Not save_file: it makes a file that nobody else may read.
        write_whole(folder / "model.safetensors", safetensors.torch.save(self.state_dict()))
        settings = {"model": type(self).__name__, **to_dict(self.config)}
        write_json(folder / "config.json", settings)

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """Read what :meth:`save_pretrained` wrote.

        Args:
            name: the name of weights that come with the package, or a folder (a :class:`~pathlib.Path` is
                always a folder).

        Raises:
            InputError: for an unknown name, and for files that are missing, damaged or of another network.
        """
        return cls.from_saved(read_settings(name))

    @classmethod
    def from_saved(cls, saved: SavedModel) -> Self:
        """Build the network that :func:`read_settings` read; errors as in :meth:`from_pretrained`."""
        folder = saved.folder
        try:
            if saved.model != cls.__name__:
                raise ValueError(f"weights of a {saved.model}")
            model = cls(from_dict(cls.Config, saved.settings))
            model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
        except (OSError, ValueError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"weights: expected a saved {cls.__name__} in {folder}, got: {reason}"
            ) from error
        return model


def read_settings(name: str | Path) -> SavedModel:
    """The settings of a saved network.

    Args:
        name: as in :meth:`Pretrained.from_pretrained`.

    Raises:
        InputError: for an unknown name, and for settings that are missing or damaged.
    """
    folder = weights_folder(name)
    try:
        settings = json.loads((folder / "config.json").read_text("utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("settings that are no object")
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"weights: expected a saved network in {folder}, got: {reason}") from error
    model = settings.pop("model", None)
    return SavedModel(folder, _OLD_NAMES.get(model, str(model)), settings)


def weights_folder(name: str | Path) -> Path:
    """Folder of weights in the package, or ``name`` itself.

    Raises:
        InputError: for an unknown name.
    """
    known = sorted(path.name for path in _WEIGHTS.glob("*") if path.is_dir())
    folder = _WEIGHTS / name if name in known else Path(name)
    if not folder.is_dir():
        raise InputError(
            f"weights: expected a folder or one of {', '.join(known) or '(none)'}, got {str(name)!r}"
        )
    return folder
