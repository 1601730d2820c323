"""One picture file, read safely and written whole. In memory a picture is RGB uint8 [H,W,3]."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file

__all__ = ["MAX_PIXELS", "SUFFIXES", "Picture", "is_animated", "read_picture", "write_picture"]

Picture = NDArray[np.uint8]
"""RGB uint8 [H,W,3]."""

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm"))
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
MAX_PIXELS = 100_000_000
JPEG_QUALITY = 92

EXIF_ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Decode a picture, upright as its EXIF orientation says.

    Grey, palette and CMYK pictures become RGB, 16-bit ones keep their upper 8 bits, transparency is dropped, of an
    animation the first picture counts. The size is read from the header and checked before anything is decoded.

    Raises:
        SimpleTrtError: the file is missing, empty, no picture, damaged or truncated, or has more than 100 megapixels.
    """
    with _explained(Path(path)), Image.open(path, formats=FORMATS) as image:
        _check_size(path, image)
        image.load()
        turn = UPRIGHT.get(_orientation(image))
        upright = image if turn is None else image.transpose(turn)
        return _to_rgb(path, upright)


def is_animated(path: str | os.PathLike[str]) -> bool:
    """Whether a picture file holds more than one picture; of a file that cannot be read, False."""
    try:
        with _explained(Path(path)), Image.open(path, formats=FORMATS) as image:
            return bool(getattr(image, "is_animated", False))
    except SimpleTrtError:
        return False


def write_picture(path: str | os.PathLike[str], picture: Picture) -> None:
    """Encode a picture in the format that the path's suffix names, whole or not at all.

    Raises:
        SimpleTrtError: the folder cannot be written to, the disk is full, or the format cannot hold this picture.
    """
    with whole_file(path) as temporary:
        try:
            Image.fromarray(picture).save(temporary, quality=JPEG_QUALITY)
        except ValueError as error:
            raise SimpleTrtError(f"cannot write '{path}' ({error})", "choose another format, such as .png") from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Every way to fail at opening and decoding, explained: on a damaged file decoders raise nearly anything."""
    if not path.exists():
        raise SimpleTrtError(f"no file '{path}'", "check the path")
    if not path.is_file():
        raise SimpleTrtError(f"'{path}' is no file", "give a picture file")
    if path.stat().st_size == 0:
        raise SimpleTrtError(f"'{path}' is empty (0 bytes)", "copy or download it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SimpleTrtError:
        raise
    except PermissionError as error:
        raise SimpleTrtError(f"no permission to read '{path}'", "change the file's permissions") from error
    except UnidentifiedImageError as error:
        raise SimpleTrtError(
            f"'{path}' is not a picture that can be read", f"use one of: {', '.join(FORMATS)}"
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(path, str(error)) from error
    except Exception as error:
        cause = f"the picture '{path}' is damaged or truncated ({error})"
        raise SimpleTrtError(cause, "copy or download it again") from error


def _check_size(path: str | os.PathLike[str], image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(path, f"{width}x{height}")
    if width < 1 or height < 1:
        raise SimpleTrtError(f"the picture '{path}' has no pixels ({width}x{height})", "copy or download it again")


def _too_large(path: str | os.PathLike[str], size: str) -> SimpleTrtError:
    limit = f"at most {MAX_PIXELS // 1_000_000} megapixels are read"
    return SimpleTrtError(f"the picture '{path}' is too large ({size}); {limit}", "scale it down first")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 (upright) where there is none or EXIF is damaged, no reason to refuse a picture."""
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:
        return 1


def _to_rgb(path: str | os.PathLike[str], image: Image.Image) -> Picture:
    if image.mode == "F":
        raise SimpleTrtError(f"the picture '{path}' holds floating-point numbers", "convert it to 8 or 16 bits first")
    if image.mode.startswith("I"):
        grey = (np.asarray(image).clip(0, 0xFFFF).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    return np.array(image.convert("RGB"))
