"""Pixels read on demand and checksums."""

import hashlib
import os
import pickle

import numpy as np
import pytest

from astro_yolo._planes import ArrayDigest, Checksums, FileDigest, MappedImage, Pixels
from astro_yolo.exceptions import ImageError


@pytest.mark.parametrize("kind", ["u1", ">i2", "<i4", ">f4", "<f4", ">f8", "f2"])
def test_native_float32(kind):
    """Every number type and byte order comes out as native float32 with the same values."""
    raw = np.arange(12).reshape(3, 4).astype(kind)
    values = Pixels(raw).read((1, 3, 0, 2))
    assert values.dtype == np.float32
    assert values.dtype.isnative
    np.testing.assert_array_equal(values, [[4, 5], [8, 9]])


def test_values_beyond_float32_are_infinite():
    """A fill such as the largest float64 is infinite, so that it is bad, and warns of nothing."""
    raw = np.array([[1.0, np.finfo("f8").max, -1e300]])
    assert Pixels(raw).read().tolist() == [[1, np.inf, -np.inf]]


def test_no_copy_of_float32():
    """A native float32 image is handed on without a copy."""
    raw = np.zeros((3, 4), np.float32)
    assert np.shares_memory(Pixels(raw).read(), raw)


def test_scaling_and_blank():
    """BSCALE and BZERO are applied exactly for large integers, and BLANK becomes NaN."""
    raw = np.array([[-(2**31), 5, -99]], dtype=">i4")
    values = Pixels(raw, scale=0.5, zero=2.0**30, blank=-99).read()
    np.testing.assert_array_equal(values, np.float32([[0.0, 2.0**30 + 2.5, np.nan]]))


def test_softened_pixels():
    """Pixels under an arcsinh, as in the stacks of Pan-STARRS, come out as their flux."""
    flux = np.array([[-30.0, 0.0, 0.5, 100.0, 6e5]])
    magnitudes = 2.5 / np.log(10) * np.arcsinh((flux - 20.0) / (2 * 40.0))
    soft = {"softening": 40.0, "offset": 20.0}
    np.testing.assert_allclose(Pixels(magnitudes, **soft).read(), flux, rtol=1e-6, atol=1e-5)
    raw = np.rint((magnitudes - 3.0) / 3e-4).astype(">i2")
    raw[0, 3], flux[0, 3] = 32767, np.nan
    values = Pixels(raw, scale=3e-4, zero=3.0, blank=32767, **soft).read()
    # half a step is 1.5e-4 magnitudes: 1.4e-4 of the flux, or of twice the softening
    np.testing.assert_allclose(values, flux, rtol=1.5e-4, atol=0.012)


def test_linear_pixels_beside_their_softening():
    """Fluxes beside a BSOFTEN that was left in the header are an error that says what to do."""
    pixels = Pixels(np.array([[0.5, np.nan, -1e4]]), softening=40.0, label="my.fits")
    with pytest.raises(ImageError, match=r"my.fits: BSOFTEN.*values up to 1e\+04.*delete the card"):
        pixels.read()


def test_mapped_image(tmp_path):
    """A window of an image in a file has the file's values; planes of a cube follow each other."""
    cube = np.arange(24, dtype=">i2").reshape(2, 3, 4)
    path = tmp_path / "a.bin"
    path.write_bytes(b"12345" + cube.tobytes())
    mapped = MappedImage(path, cube.dtype, cube.shape, 5)
    planes = [Pixels(plane) for plane in mapped]
    assert len(planes) == 2
    np.testing.assert_array_equal(planes[1].read((1, 3, 2, 4)), cube[1, 1:3, 2:4])


def test_array_digest_is_sha256_of_bytes():
    """The checksum of an array is that of its bytes in C order, for views as well."""
    array = np.arange(3000 * 4, dtype=">f4").reshape(3000, 4)
    for view in (array, array[:, ::-1], np.asfortranarray(array)):
        assert ArrayDigest(view).hex == hashlib.sha256(view.tobytes()).hexdigest()


def test_file_digest(tmp_path):
    """The checksum of a file is that of its bytes, and refuses a file that changed since."""
    path = tmp_path / "a.fits"
    path.write_bytes(b"one")
    digest, late = FileDigest(path), FileDigest(path)
    assert Checksums({"g": digest, "r": digest})["r"] == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"two!")
    os.utime(path, (1, 1))
    with pytest.raises(ImageError, match=r"a.fits: must not change between reading"):
        _ = late.hex


def test_checksums_is_a_mapping():
    """Checksums can be listed and turned into a plain dict; none is empty."""
    sums = Checksums({"g": ArrayDigest(np.zeros((1, 1)))})
    assert list(sums) == ["g"]
    assert len(dict(sums)["g"]) == 64
    assert dict(Checksums({})) == {}


def test_checksums_begun_early_are_the_same():
    """Checksums may be begun before they are asked for, and those that nobody asks for end."""
    array = np.arange(12.0)
    sums = Checksums({"g": ArrayDigest(array[None]), "r": ArrayDigest(array[None] + 1)})
    sums.begin()
    sums.begin()
    assert sums["g"] == hashlib.sha256(array.tobytes()).hexdigest()
    assert sums["r"] == hashlib.sha256((array + 1).tobytes()).hexdigest()
    Checksums({}).begin()


def test_checksums_travel_as_they_are(tmp_path):
    """Pickled, begun or not, they are plain text, which needs neither threads nor the file."""
    path = tmp_path / "a.fits"
    path.write_bytes(b"one")
    sums = Checksums({"g": FileDigest(path)})
    expected = {"g": hashlib.sha256(b"one").hexdigest()}
    assert pickle.loads(pickle.dumps(sums)) == expected
    sent = pickle.dumps(sums)  # begun by now
    path.unlink()
    assert pickle.loads(sent) == expected
