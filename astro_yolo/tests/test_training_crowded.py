"""Samples of hundreds of small galaxies, and of nothing but stars."""

import numpy as np
import pytest

from astro_yolo.injection import moffat_kernel, sersic_stamp
from astro_yolo.training import crowded
from astro_yolo.training.samples import GALAXY, STAR, UNKNOWN

STAMPS = [sersic_stamp(1.0, r, 1, 0.6, 0.3, psf=np.ones((1, 1))) for r in (3, 8, 15)]


def made(compose, number):
    """Samples of a kind, and all their kinds."""
    samples = [compose(np.random.default_rng(k)) for k in range(number)]
    return samples, np.concatenate([sample.kinds for sample in samples])


def test_a_full_field_has_galaxies_and_hardly_a_star():
    """Ten galaxies for a star at least; boxes lie inside, and there is light in them."""
    samples, kinds = made(lambda rng: crowded.compose_full_field(STAMPS, rng, size=208), 8)
    galaxies = np.isin(kinds, [GALAXY, UNKNOWN]).sum()
    assert galaxies > 10 * (kinds == STAR).sum()
    assert galaxies > 8 * 20
    for sample in samples:
        assert sample.image.shape == (3, 208, 208)
        assert np.isfinite(sample.image).all()
        assert sample.boxes.min() >= 0
        assert sample.boxes.max() <= 208
        shown = np.isin(sample.kinds, [GALAXY, UNKNOWN])
        x0, y0, x1, y1 = np.round(sample.boxes[shown]).T.astype(int)
        light = sample.image.mean(axis=0)
        inside = [light[c:d, a:b].mean() for a, c, b, d in zip(x0, y0, x1, y1, strict=True)]
        assert np.median(inside) > np.median(light)


def test_a_star_field_has_stars_and_few_galaxies():
    """Five stars for a galaxy at least, each in a box as wide as the point-spread function."""
    samples, kinds = made(lambda rng: crowded.compose_star_field(rng, size=208), 8)
    assert (kinds == STAR).sum() > 5 * np.isin(kinds, [GALAXY, UNKNOWN]).sum()
    for sample in samples:
        stars = sample.boxes[sample.kinds == STAR]
        inside = ((stars > 0) & (stars < 208)).all(axis=1)
        sides = (stars[:, 2:] - stars[:, :2])[inside]
        np.testing.assert_allclose(sides, sides[0, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("offset", "along"), [((80.0, 0.0), "y"), ((0.0, -80.0), "x"), ((60.0, 0.0), "y")]
)
def test_images_are_drawn_out_along_the_circle(offset, along):
    """By d / (d - E) for an isothermal lens of Einstein radius E: 2 at 2 E, 3 at 1.5 E."""
    stamp = moffat_kernel(5.0, beta=8, half=20)
    lensed = crowded._lensed(stamp, np.array(offset), 40.0)
    factor = {80.0: 2, 60.0: 3}[np.abs(offset).max()]
    widths = [_width(image, axis) for image in (stamp, lensed) for axis in (0, 1)]
    drawn, kept = (2, 3) if along == "y" else (3, 2)
    assert widths[drawn] == pytest.approx(factor * widths[0], rel=0.02)
    assert widths[kept] == pytest.approx(widths[1], rel=0.02)


@pytest.mark.parametrize("offset", [(30.0, 0.0), (300.0, 0.0)])
def test_what_a_lens_hardly_draws_out_stays(offset):
    """Within the Einstein radius, where images are small, and far outside."""
    stamp = moffat_kernel(5.0, half=20)
    assert crowded._lensed(stamp, np.array(offset), 40.0) is stamp


def _width(image, axis):
    """Root of the second moment along an axis."""
    profile = image.sum(axis=1 - axis).astype(float)
    place = np.arange(len(profile))
    middle = (profile * place).sum() / profile.sum()
    return np.sqrt((profile * (place - middle) ** 2).sum() / profile.sum())
