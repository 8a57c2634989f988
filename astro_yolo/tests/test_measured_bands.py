"""Fluxes and errors of bands that had to be resampled, against arithmetic on their own pixels."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astro_yolo import measure
from astro_yolo._alignment import AlignedBand, area_ratio, noise_ratio
from astro_yolo._apertures import Aperture
from astro_yolo._mapping import AffineMapping
from astro_yolo._planes import Pixels, Plane
from astro_yolo.image import read_image
from astro_yolo.tests.test_measuring import field, table_of
from astro_yolo.tests.wcs_cases import SCALE, SHAPE, make_wcs

AREA = np.radians(SCALE / 3600) ** 2  # sr of a pixel


def binned(image, wcs):
    """Return the sums of 2 x 2 pixels, with their WCS."""
    ny, nx = image.shape
    wide = wcs.deepcopy()
    wide.wcs.crpix = (wcs.wcs.crpix - 0.5) / 2 + 0.5
    wide.wcs.cd = wcs.wcs.cd * 2
    wide.pixel_shape = nx // 2, ny // 2
    return image.reshape(ny // 2, 2, nx // 2, 2).sum(axis=(1, 3)), wide


def unit(image, wcs, **cards):
    """Return an image HDU with a WCS and more cards."""
    header = wcs.to_header(relax=True)
    header.update(cards)
    return fits.PrimaryHDU(image.astype(np.float32), header)


def pair(unit_of_pixels, coarse):
    """Return one sky as bands g and r, one of them on pixels of twice the side."""
    image, boxes, _ = field(1, radius=8.0)
    planes = {"g": (image - 50, make_wcs(), AREA), "r": (image - 50, make_wcs(), AREA)}
    planes[coarse] = (*binned(image - 50, make_wcs()), 4 * AREA)
    if coarse == "r":  # the grid of the table is that of r
        boxes = boxes / 2
    made = {}
    for band, (pixels, wcs, area) in planes.items():
        cards = {"FILTER": band, "BUNIT": unit_of_pixels}
        if unit_of_pixels == "MJy/sr":
            pixels, cards["PIXAR_SR"] = pixels * 3.631e-12 / area, area  # noqa: PLW2901
        made[band] = unit(pixels, wcs, **cards)
    return made, table_of(boxes, planes["r"][1])


@pytest.mark.parametrize("coarse", ["g", "r"])
@pytest.mark.parametrize("unit_of_pixels", ["nanomaggy", "MJy/sr", "adu"])
def test_one_sky_on_two_pixel_scales_has_no_colour(unit_of_pixels, coarse):
    """The same galaxies in pixels of one and of two sides: equal magnitudes, whatever the unit."""
    bands, table = pair(unit_of_pixels, coarse)
    given = {"g": 22.5, "r": 22.5} if unit_of_pixels == "adu" else None
    found = measure(table, bands, zeropoint=given)
    # 1 nanomaggy is 3.631e-6 Jy; the coarse pixels blur the finer grid's a little
    np.testing.assert_allclose(found["color_g_r"].value, 0, atol=0.04)
    assert abs(np.median(found["color_g_r"].value)) < 0.02
    # FLUX of 20000; a Kron aperture holds 97 to 100 % of index 1
    expected = 22.5 - 2.5 * np.log10(20_000)
    for band in "gr":
        assert np.median(found[f"kron_mag_{band}"].value) == pytest.approx(expected, abs=0.05)
        assert np.median(found[f"aper_mag_{band}"].value) > expected


def test_values_stay_those_of_own_pixels():
    """Resampled values are not scaled; how many own pixels one of the grid covers is known."""
    image = np.full((40, 60), 8.0)
    wide, wcs = binned(image, make_wcs())
    read = read_image({"g": (wide, wcs), "r": (image, make_wcs())})
    np.testing.assert_allclose(read.data[0][2:-2, 2:-2], 32, rtol=1e-6)
    np.testing.assert_allclose(read.area_ratios, [1 / 4, 1], rtol=1e-6)
    read = read_image({"g": (image, make_wcs()), "r": (wide, wcs)})
    np.testing.assert_allclose(read.data[0][2:-2, 2:-2], 8, rtol=1e-6)
    np.testing.assert_allclose(read.area_ratios, [4, 1], rtol=1e-6)
    assert read_image(image).area_ratios.tolist() == [1]
    assert area_ratio(AffineMapping(np.array([[0, -2.0, 9], [3.0, 0, 1]]))) == pytest.approx(6)


MAPPINGS = {
    "half a pixel": [[1, 0, 0.5], [0, 1, 0.5]],
    "0.2 and 0.7": [[1, 0, 0.2], [0, 1, 0.7]],
    "whole pixels": [[1, 0, 3], [0, 1, -2]],
    "turned": [[0.9, -0.436, 200], [0.436, 0.9, -100]],
    "finer, not blurred": [[1.4, 0, 0.3], [0, 1.4, 0.1]],
    "finer": [[2.5, 0, 0.3], [0, 2.5, 0.1]],
    "coarser": [[0.5, 0, 0.25], [0, 0.5, 0.25]],
    "a little coarser": [[0.8, 0, 0.25], [0, 0.8, 0.25]],
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_noise_of_sums_is_that_of_the_bands_own_pixels(name):
    """Sums over N own pixels of white noise 1 scatter by sqrt(N): so the ratio says, within 4 %."""
    mapping = AffineMapping(np.array(MAPPINGS[name], float))
    shape = (400, 600)
    own = tuple(int(side * max(mapping.step, 1) + 300) for side in shape)
    noise = np.random.default_rng(4).normal(size=own).astype(np.float32)
    values, bad = AlignedBand(Plane(Pixels(noise), "b"), shape, mapping).read()
    values = values[~bad] if bad is not None else values
    single = 1.4826 * np.median(np.abs(values - np.median(values)))
    ratio = noise_ratio(mapping, (0, shape[0], 0, shape[1]))
    # in units of the band's own pixels, of which each one of the grid covers step squared
    assert single * ratio * area_ratio(mapping) == pytest.approx(mapping.step, rel=0.04)


def test_noise_ratio_of_known_shifts():
    """Bilinear weights by hand: 2 for half a pixel both ways, 1.593 for 0.2 and 0.7, else 1."""
    def ratio(dx, dy):
        return noise_ratio(AffineMapping(np.array([[1.0, 0, dx], [0, 1, dy]])), (5, 40, 7, 90))

    assert ratio(0.5, -0.5) == pytest.approx(2)
    assert ratio(0.2, 0.7) == pytest.approx(1 / np.sqrt((0.04 + 0.64) * (0.09 + 0.49)))
    assert ratio(3, -2) == pytest.approx(1)
    assert noise_ratio(None, (0, 9, 0, 9)) == 1


PLACES = np.stack(np.meshgrid(np.arange(40, 760, 36), np.arange(40, 560, 36)), -1).reshape(-1, 2)


def stated_and_found(bands, places, radius):
    """Return the stated errors of apertures on blank sky, and the scatter of sums in apertures."""
    image = read_image(bands)
    edges = np.concatenate([places - radius, places + radius], axis=1)[::4]
    table = Table(dict(zip(("xmin", "ymin", "xmax", "ymax"), edges.T, strict=True)))
    found = measure(table, image, aperture=radius)
    stated = [np.median(found[f"aper_flux_err_{band}"]) for band in image.bands]
    planes = np.nan_to_num(np.stack(image.data))
    sums = [Aperture(x, y, radius, radius, 0.0).sums(planes) for x, y in places]
    return stated, 1.4826 * np.median(np.abs(sums), axis=0) * image.area_ratios


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, 0.5), (0.2, 0.7)])
@pytest.mark.parametrize("sip", [0.0, 5e-5])
def test_errors_of_a_shifted_band_are_the_scatter_of_blank_sky(shift, sip):
    """White noise moved by part of a pixel: stated errors are its scatter in apertures."""
    rng = np.random.default_rng(3)
    reference, moved = make_wcs(sip=sip), make_wcs(sip=sip)
    moved.wcs.crpix = reference.wcs.crpix + shift
    moved.wcs.set()
    bands = {"g": (rng.normal(0, 2, SHAPE), moved), "r": (rng.normal(0, 1, SHAPE), reference)}
    stated, scatter = stated_and_found(bands, PLACES, 7.0)
    np.testing.assert_allclose(stated, np.array([2, 1]) * np.sqrt(np.pi) * 7, rtol=0.06)
    np.testing.assert_allclose(scatter, stated, rtol=0.12)  # 300 places know it to 5 %


@pytest.mark.parametrize("coarse", ["g", "r"])
def test_errors_of_other_pixel_scales(coarse):
    """Noise of 1 a small pixel, 2 in the sum of four: in N small ones sqrt(N), in both bands."""
    rng = np.random.default_rng(6)
    images = {band: (rng.normal(0, 1, SHAPE), make_wcs()) for band in "gr"}
    images[coarse] = binned(*images[coarse])
    side = 2 if coarse == "r" else 1
    stated, scatter = stated_and_found(images, PLACES / side, 9.0)
    np.testing.assert_allclose(stated, np.sqrt(np.pi) * 9 * side, rtol=0.1)
    np.testing.assert_allclose(scatter, stated, rtol=0.15)
