"""The size of a picture, for annotations that do not tell it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from simple_trt.errors import SimpleTrtError


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height from the file's header. Raises SimpleTrtError when it is missing or no picture."""
    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError:
        raise SimpleTrtError(f"{path} does not exist", "Check --images.") from None
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise SimpleTrtError(f"{path} is not a readable picture ({error})", "Replace the file.") from None
