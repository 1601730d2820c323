"""What a training run is made of: one TOML file, which the command line may override."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simple_trt.data.people import PersonAugmentation
from simple_trt.data.transforms import Augmentation
from simple_trt.errors import UsageError
from simple_trt.train.mimicking import MimicSettings
from simple_trt.train.quantising import QuantiseSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_BASES = 8  # files that are each the other's base, in a row
CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a run. The defaults are the paper's where it states them.

    preset: network preset. network: what is learnt, one of models.presets.NETWORKS. skeleton: keypoint set of the
    annotations. epochs, batch, lr: as usual, batch is that of one process; milestones: epochs (1-based) after which
    lr is divided by 10, or empty for a cosine to zero. warmup: steps of linear warm-up. clip: largest gradient norm
    (0: none). ema: decay of the averaged weights that are saved (0: off). amp: "off" or "bf16" autocast. sync_bn:
    batch norms over all processes' pictures. save_every: steps between saved states. samples_every: epochs between
    sample pictures (0: none). tensorboard: write its events. init: path of foreign backbone weights or of one of our
    checkpoints to start from ("": random). backbone_only: whatever else `init` has, all but the backbone starts
    afresh. seed: of everything random. freeze: modules that keep their weights and statistics (such as
    "backbone.stem"); fixed_statistics: modules that learn, but whose batch norms keep theirs; slow: modules that learn
    at slow_rate times lr. hold: what `init`, an ONNX file of MoveNet, gave to a network that
    is wider stays as it is, and the rest learns. pose_background: see pose_loss. mimic_from: first epoch (1-based) of
    mimicking, 0 for never; teacher: its file, where it mimics one; official_teacher: see load_teacher. augmentation:
    of pictures; person: of the crops that a teacher is trained on; mimic: what is mimicked; quantise: how int8 is
    learnt.
    """

    preset: str = "deploy-w18"
    network: str = "points"
    skeleton: str = "coco"
    epochs: int = 200
    batch: int = 48
    lr: float = 2.5e-4
    milestones: tuple[int, ...] = (120,)
    warmup: int = 0
    weight_decay: float = 0.0
    clip: float = 0.0
    ema: float = 0.0
    amp: str = "off"
    sync_bn: bool = False
    freeze: tuple[str, ...] = ()
    fixed_statistics: tuple[str, ...] = ()
    slow: tuple[str, ...] = ()
    slow_rate: float = 0.1
    hold: bool = False
    pose_background: float = 1.0
    save_every: int = 500
    samples_every: int = 5
    tensorboard: bool = True
    workers: int = 2
    init: str = ""
    backbone_only: bool = False
    seed: int = 0
    mimic_from: int = 0
    teacher: str = ""
    official_teacher: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    person: PersonAugmentation = field(default_factory=PersonAugmentation)
    mimic: MimicSettings = field(default_factory=MimicSettings)
    quantise: QuantiseSettings = field(default_factory=QuantiseSettings)

    def replace(self, **changes: Any) -> TrainConfig:
        """A copy with the given settings; None means unchanged. Raises UsageError for a value that cannot be."""
        config = dataclasses.replace(self, **{k: v for k, v in changes.items() if v is not None})
        if config.batch < 1 or config.epochs < 1:
            raise UsageError(
                f"batch {config.batch} and epochs {config.epochs} must be at least 1", "Correct the setting."
            )
        if config.augmentation.size % 32:
            raise UsageError(
                f"size {config.augmentation.size} is no multiple of 32", "Choose a multiple of 32, such as 512."
            )
        if config.amp not in ("off", "bf16"):
            raise UsageError(f"amp is {config.amp!r}, expected 'off' or 'bf16'", "Correct the setting.")
        if config.hold and config.weight_decay:
            raise UsageError("weight_decay would move what hold keeps", "set weight_decay to 0, or hold to false")
        return config


def load_config(path: str | Path, base: str | Path | None = None) -> TrainConfig:
    """Read a TOML file whose keys are TrainConfig's fields, with tables [augmentation], [person], [mimic]
    and [quantise].

    Its key `base` names a configuration whose settings hold where the file has none.

    Args:
        path: a file, or the name of a configuration in simple_trt/train/configs, such as "edge-movenet".
        base: takes the place of the file's own base.

    Raises:
        UsageError: file missing, not TOML, or an unknown or ill-typed key (named).
    """
    return _build(TrainConfig, _settings(path, base), path).replace()


def _settings(path: str | Path, base: str | Path | None = None, depth: int = 1) -> dict[str, Any]:
    """The file's settings over those of its base, tables merged key by key."""
    data = _read(path)
    own_base = data.pop("base", None)
    if own_base is None and base is None:
        return data
    if not isinstance(own_base, str | None) or depth == MOST_BASES:
        cause = f"{path}: base is {str(own_base)[:40]!r}, expected a file that is not built on this one"
        raise UsageError(cause, "Correct the setting.")
    settings = _settings(base or own_base or "", None, depth + 1)
    for key, value in data.items():
        below = settings.get(key)
        settings[key] = below | value if isinstance(below, dict) and isinstance(value, dict) else value
    return settings


def _read(path: str | Path) -> dict[str, Any]:
    try:
        bundled = CONFIGS / f"{path}.toml"
        path = bundled if bundled.is_file() else path
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"there is no configuration '{path}'",
            f"name a file, or one of: {', '.join(sorted(p.stem for p in CONFIGS.glob('*.toml')))}",
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read the configuration '{path}' ({error.strerror})", "Check its path.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML ({error})", "Correct the file.") from None


def _build(cls: type, data: dict[str, Any], path: str | Path) -> Any:
    defaults, names = cls(), [f.name for f in dataclasses.fields(cls)]
    for key, value in data.items():
        if key not in names:
            raise UsageError(f"{path}: unknown setting {key!r}", f"Known: {', '.join(names)}.")
        known = getattr(defaults, key)
        if dataclasses.is_dataclass(known) and isinstance(value, dict):
            data[key] = _build(type(known), value, f"{path}: [{key}]")
        elif isinstance(known, tuple) and isinstance(value, list):
            data[key] = tuple(value)
        elif isinstance(known, float) and isinstance(value, int) and abs(value) <= sys.float_info.max:
            data[key] = float(value)
        elif known is not None and type(known) is not type(value):
            raise UsageError(f"{path}: {key} is {value!r}, expected {type(known).__name__}", "Correct the setting.")
    return cls(**data)
