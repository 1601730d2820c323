"""Pictures in every kind that users have, and every kind of file that only looks like one."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")
from PIL import Image

from simple_trt.errors import SimpleTrtError
from simple_trt.pictures import SUFFIXES, read_picture, write_picture

ACROSS, DOWN = np.meshgrid(np.arange(0, 240, 6), np.arange(0, 240, 4))
SMOOTH = np.stack([ACROSS, DOWN, np.full_like(DOWN, 90)], -1).astype(np.uint8)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_is_written_and_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_picture(path, SMOOTH)
    picture = read_picture(path)
    assert (picture.shape, picture.dtype) == (SMOOTH.shape, np.uint8)
    assert picture.flags["C_CONTIGUOUS"]
    assert np.abs(picture.astype(int) - SMOOTH).mean() < (10 if suffix == ".gif" else 4)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK"])
def test_other_colour_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    converted = Image.fromarray(SMOOTH).convert(mode)
    converted.save(path)
    assert np.array_equal(read_picture(path), np.asarray(converted.convert("RGB")))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_grey_keeps_its_upper_bits(tmp_path: Path, name: str) -> None:
    Image.fromarray(SMOOTH[..., 0].astype(np.uint16) * 257).save(tmp_path / name)
    assert np.array_equal(read_picture(tmp_path / name), np.repeat(SMOOTH[..., :1], 3, axis=2))


def test_16_bit_colour_keeps_its_upper_bits(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(tmp_path / "a.png"), SMOOTH[..., ::-1].astype(np.uint16) * 257)
    assert np.array_equal(read_picture(tmp_path / "a.png"), SMOOTH)


# Each value of the EXIF orientation says how the stored picture was turned; by its definition, the upright picture is:
UPRIGHT = {
    1: SMOOTH,
    2: SMOOTH[:, ::-1],
    3: SMOOTH[::-1, ::-1],
    4: SMOOTH[::-1],
    5: SMOOTH.swapaxes(0, 1),
    6: np.rot90(SMOOTH, -1),
    7: SMOOTH[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(SMOOTH, 1),
}


@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(SMOOTH).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "a.png"), UPRIGHT[orientation])


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_senseless_orientation_is_ignored(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(SMOOTH).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "a.png"), SMOOTH)


def test_damaged_exif_is_ignored(tmp_path: Path) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / "a.jpg", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff broken")
    assert read_picture(tmp_path / "a.jpg").shape == SMOOTH.shape


def test_one_pixel(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", np.full((1, 1, 3), 7, np.uint8))
    assert read_picture(tmp_path / "a.png").tolist() == [[[7, 7, 7]]]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif", ".gif"])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_truncated(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a{suffix}"
    write_picture(path, SMOOTH)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(SimpleTrtError, match=rf"a{suffix}' is (damaged or truncated|not a picture)"):
        read_picture(path)


def png_header(width: int, height: int) -> bytes:
    """A PNG that states its size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (20_000, 20_000), (2_000_000_000, 2_000_000_000)])
def test_absurd_sizes_are_refused_before_decoding(tmp_path: Path, width: int, height: int) -> None:
    (tmp_path / "a.png").write_bytes(png_header(width, height))
    with pytest.raises(SimpleTrtError, match=r"a.png' is too large \(.*at most 100 megapixels"):
        read_picture(tmp_path / "a.png")


def test_no_pixels(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(0, 10))
    with pytest.raises(SimpleTrtError, match=r"a\.png"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"hello, world", "is not a picture"), (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is not a picture")],
)
def test_other_files(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(SimpleTrtError, match=message):
        read_picture(tmp_path / "a.jpg")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match=r"no file '.*b\.jpg'"):
        read_picture(tmp_path / "b.jpg")
    with pytest.raises(SimpleTrtError, match="is no file"):
        read_picture(tmp_path)


def test_floating_point_pictures_are_refused(tmp_path: Path) -> None:
    Image.fromarray(SMOOTH[..., 0].astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(SimpleTrtError, match="floating-point"):
        read_picture(tmp_path / "a.tif")


def test_damaged_files_give_pictures_or_reasons(tmp_path: Path) -> None:
    """Any bytes: a picture comes back, or a SimpleTrtError; never another exception."""
    outcomes = []
    rng = np.random.default_rng(0)
    for suffix in (".jpg", ".png", ".webp", ".bmp", ".tif", ".gif"):
        path = tmp_path / f"a{suffix}"
        write_picture(path, SMOOTH)
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for place in rng.integers(0, min(len(whole), 200), 4):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                picture = read_picture(path)
            except SimpleTrtError as error:
                outcomes.append(error.cure)
            else:
                outcomes.append((picture.dtype, picture.shape[2]) == (np.uint8, 3))
    assert all(outcomes)
    assert True in outcomes
    assert "copy or download it again" in outcomes


def test_a_format_that_cannot_hold_the_picture(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match=r"a\.webp.*another format"):
        write_picture(tmp_path / "a.webp", np.zeros((20_000, 2, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_no_folder_to_write_to(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match="there is no folder"):
        write_picture(tmp_path / "none" / "a.png", SMOOTH)
