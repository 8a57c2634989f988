"""Photometry and shapes against the SDSS catalogue, SEP and simulated galaxies.

Run from the repository root: ``python benchmarks/measure.py``. Galaxies of the catalogue and
detections of field 94-1-12 are paired one to one within 5 pixels. Position angles are compared
for galaxies whose model has an axis ratio below 0.7; the catalogue's angles are in the frame, so
PHI_OFFSET is added. Axis ratios are measured without the PSF, which the stars that the network
finds tell; that of the simulations is known. The total is the Kron flux over ``kron_fraction``.

No measurement can tell an angle better than the noise lets it: beside the angles stands what 90 %
would be within at the bound of Cramer and Rao, 1.645 times the noise over the root of the sum of
the squares of what a turn by one radian changes. At a signal-to-noise of 60, a galaxy of index
2, a half-light radius of 8 pixels and b/a 0.7 has 5.6 degrees, one of index 4 6.7: there 5 degrees
are out of reach, by whatever weight.
"""

import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import truth_94_1_12 as field
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable

_R = 2
# 1.05 Petrosian radii in half-light radii, by Sersic index: the size of the network's boxes
_BOXES = {0.5: 2.04, 1: 2.22, 2: 2.23, 4: 1.80}
_IMAGES = 8  # of twelve simulated galaxies each


def catalogue(data):
    """Return the catalogue's galaxies: rows, 0-based pixels and r."""
    rows = fits.getdata(Path(data) / field.CATALOGUE)
    rows = rows[(rows["NCHILD"] == 0) & (rows["OBJC_TYPE"] == 3)]
    places = np.stack([rows["COLC"][:, _R] - 0.5, rows["ROWC"][:, _R] - 0.5], axis=1)
    return rows, places


def spread(values):
    """Return the median and 1.4826 times the median absolute deviation."""
    values = np.asarray(values)[np.isfinite(values)]
    middle = np.median(values)
    return middle, 1.4826 * np.median(np.abs(values - middle))


def photometry(rows, found, limit):
    """Print the offsets of Kron magnitudes from the catalogue's."""
    chosen = rows["CMODELMAG"][:, _R] < limit
    kron = found["kron_mag_r"].value[chosen]
    for name, reference in (
        ("Petrosian", 22.5 - 2.5 * np.log10(np.maximum(rows["PETROFLUX"][:, _R], 1e-3))),
        ("cmodel", rows["CMODELMAG"][:, _R]),
    ):
        middle, width = spread(kron - reference[chosen])
        print(f"  r < {limit}: Kron - {name:<10} median {middle:+.3f}, scatter {width:.3f} mag "
              f"({chosen.sum()} galaxies)")


def angles(rows, found, limit):
    """Print how position angles and axis ratios agree with those of the catalogue's models."""
    dev = rows["FRACDEV"][:, _R] > 0.5
    ratio = np.where(dev, rows["AB_DEV"][:, _R], rows["AB_EXP"][:, _R])
    bright = rows["CMODELMAG"][:, _R] < limit
    for name, ours in (("", found["b_pix"] / found["a_pix"]), (", no PSF", found["axis_ratio"])):
        middle, width = spread((np.asarray(ours) - ratio)[bright])
        print(f"  r < {limit}: axis ratio{name} - model's: median {middle:+.3f}, "
              f"scatter {width:.3f}")
    angle = np.where(dev, rows["PHI_DEV_DEG"][:, _R], rows["PHI_EXP_DEG"][:, _R])
    angle = angle + rows["PHI_OFFSET"][:, _R]
    chosen = (rows["CMODELMAG"][:, _R] < limit) & (ratio < 0.7)
    turn = np.abs((found["pa"].value - angle + 90) % 180 - 90)[chosen]
    print(f"  r < {limit}: position angle within 10 deg for {(turn < 10).sum()}/{len(turn)}, "
          f"median difference {np.median(turn):.1f} deg")


def sep_values(image):
    """Return the seconds that SEP takes to find and measure r alone, places and Kron fluxes."""
    import sep

    start = time.perf_counter()
    background = sep.Background(image)
    plane = image - background.back()
    found = sep.extract(plane, 1.5, err=background.globalrms)
    theta = np.clip(found["theta"], -np.pi / 2, np.pi / 2)
    shape = found["x"], found["y"], found["a"], found["b"], theta
    kron, _ = sep.kron_radius(plane, *shape, 6.0)
    flux, _, _ = sep.sum_ellipse(plane, *shape, 2.5 * np.clip(kron, 1.5, 10), subpix=1)
    sep.flux_radius(plane, found["x"], found["y"], 6 * found["a"], 0.5)
    return time.perf_counter() - start, np.stack([found["x"], found["y"]], axis=1), flux


def against_sep(image, measured):
    """Print time and Kron magnitudes beside SEP's (which reach to 2.5 moments, ours to 3)."""
    took, places, flux = sep_values(np.ascontiguousarray(image.data[1], dtype=np.float32))
    print(f"  SEP finds and measures {len(flux)} sources in r alone: {took:.2f} s")
    ours = np.stack([measured["x_centroid"], measured["y_centroid"]], axis=1).astype(float)
    pairs = field.one_to_one(ours, places, 3.0)
    kron = measured["kron_mag_r"].value[pairs[:, 0]]
    other = 22.5 - 2.5 * np.log10(np.maximum(flux[pairs[:, 1]], 1e-3))
    for limit in (20, 21):
        middle, width = spread((kron - other)[kron < limit])
        print(f"  r < {limit}: Kron - SEP's Kron median {middle:+.3f}, scatter {width:.3f} mag "
              f"({(kron < limit).sum()} galaxies)")


def totals(rows, found, limit):
    """Print Kron and total magnitudes against cmodel, apart for discs and spheroids."""
    total = found["kron_mag_r"].value + 2.5 * np.log10(found["kron_fraction"])
    spheroid = rows["FRACDEV"][:, _R] >= 0.7
    disc = rows["FRACDEV"][:, _R] < 0.3
    cmodel = rows["CMODELMAG"][:, _R]
    for name, kind in (("discs", disc), ("spheroids", spheroid)):
        chosen = kind & (cmodel < limit)
        kron, whole = (spread((m - cmodel)[chosen]) for m in (found["kron_mag_r"].value, total))
        print(f"  r < {limit}, {chosen.sum()} {name}: Kron - cmodel {kron[0]:+.3f}, "
              f"total - cmodel {whole[0]:+.3f} mag (median)")


def on_the_sky(rows, tables):
    """Print how many of the catalogue's galaxies are matched, and how far from them."""
    from astro_yolo import crossmatch

    galaxies = QTable({"ra": rows["RA"] * u.deg, "dec": rows["DEC"] * u.deg})
    for limit in (20, 21):
        bright = galaxies[rows["CMODELMAG"][:, _R] < limit]
        for name, table in tables.items():
            match = crossmatch(bright, table, 2 * u.arcsec)
            separation = np.median(match.matched["separation"].to_value(u.arcsec))
            east, north = (value.value for value in (match.offset.east, match.offset.north))
            print(f"  r < {limit}, centre of the {name}: {len(match.matched)}/{len(bright)} "
                  f"galaxies matched within 2 arcsec, median separation {separation:.3f} arcsec, "
                  f"offset {east:+.3f} {north:+.3f}")


def planted(rng, index, radius, ratio, noise):
    """Return an image of twelve galaxies of flux 1, a table of their boxes, and their angles."""
    from astro_yolo.injection import add_stamp

    image = rng.normal(0, noise, (600, 800)).astype(np.float32)
    places = [(x, y) for x in (120, 300, 480, 660) for y in (120, 300, 480)]
    thetas, boxes = rng.uniform(-np.pi / 2, np.pi / 2, len(places)), []
    for (x, y), theta in zip(places, thetas, strict=True):
        offset = rng.uniform(-0.5, 0.5, 2)
        add_stamp(image, stamp(index, radius, ratio, theta, offset=offset), x, y)
        half = _BOXES[index] * np.hypot(radius, 1.3) * np.hypot(
            [np.cos(theta), np.sin(theta)], ratio * np.array([np.sin(theta), np.cos(theta)])
        ) * rng.normal(1, 0.08, 2)
        centre = np.array([x, y]) + offset + rng.normal(0, 0.3, 2)
        boxes.append([*(centre - half), *(centre + half)])
    return image, QTable(np.array(boxes), names=["xmin", "ymin", "xmax", "ymax"]), thetas


def stamp(index, radius, ratio, theta, **options):
    """Return a galaxy of flux 1, its PSF 3 pixels wide."""
    from astro_yolo.injection import moffat_kernel, sersic_stamp

    return sersic_stamp(1, radius, index, ratio, theta, psf=moffat_kernel(3.0), **options)


def least_error(index, radius, ratio, noise):
    """Return within what 90 % of the angles are at the bound of Cramer and Rao, degrees."""
    step = 0.02
    ahead, behind = (stamp(index, radius, ratio, 0.4 + turn).astype(float)
                     for turn in (step / 2, -step / 2))  # fmt: skip
    return 1.645 * np.degrees(noise / np.sqrt((((ahead - behind) / step) ** 2).sum()))


def simulated(index, radius, ratio, signal):
    """Return medians of the errors of simulated galaxies, 90 % of their angles', and its bound."""
    from astro_yolo import measure

    rng = np.random.default_rng(3)
    noise = 1 / (signal * np.sqrt(np.pi * (2.2 * radius) ** 2 * ratio + 30))
    errors, turns = [], []
    for _ in range(_IMAGES):
        image, table, thetas = planted(rng, index, radius, ratio, noise)
        found = measure(table, image, psf=3.0)
        flux = np.asarray(found["kron_flux_band1"])
        errors.append([flux - 1, flux / found["kron_fraction"] - 1,
                       found["b_pix"] / found["a_pix"] - ratio, found["axis_ratio"] - ratio])
        turns.append(np.abs((found["theta"].to_value(u.deg) - np.degrees(thetas) + 90) % 180 - 90))
    return (*np.nanmedian(np.concatenate(errors, axis=1), axis=1), np.percentile(turns, 90),
            least_error(index, radius, ratio, noise))


def simulations():
    """Print how well simulated galaxies are measured, PSF 3 pixels wide."""
    print(f"simulated Sersic galaxies, {12 * _IMAGES} of each, medians: Kron flux, total flux, "
          "axis ratio with and without the PSF; 90 % of the angles within, and at the least")
    for index in _BOXES:
        for radius, ratio in ((4, 0.5), (8, 0.3), (8, 0.5), (8, 0.7), (14, 0.5)):
            for signal in (60, 300):
                kron, total, shape, own, turn, least = simulated(index, radius, ratio, signal)
                print(f"  index {index:>3}, half-light radius {radius:>2}, b/a {ratio}, S/N "
                      f"{signal:>3}: {kron:+6.1%} {total:+6.1%} {shape:+.3f} {own:+.3f} "
                      f"{turn:4.1f} ({least:.1f}) deg")


def main():
    """Measure and print."""
    from astro_yolo import Detector, measure, read_image

    data = field.data_folder()
    image = read_image(field.frame_paths(data))
    rows, places = catalogue(data)
    detector = Detector(backend="onnxruntime")
    table = detector.detect(image)
    stars = detector.detect(image, include_stars=True, classes="star")
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        measured = measure(table, image)
        seconds.append(time.perf_counter() - start)
    print(f"{datetime.now(tz=UTC).date()}, {platform.machine()}, field 94-1-12")
    print(f"  {len(table)} galaxies in three bands: {min(seconds):.2f} s")
    against_sep(image, measured)
    measured = measure(table, image, psf=stars)
    on_the_sky(rows, {"box": table, "light": measured})
    ours = np.stack([table["x"], table["y"]], axis=1).astype(float)
    pairs = field.one_to_one(places, ours, field.MATCH_RADIUS)
    rows, found = rows[pairs[:, 0]], measured[pairs[:, 1]]
    for limit in (20, 21):
        photometry(rows, found, limit)
        angles(rows, found, limit)
        totals(rows, found, limit)
    simulations()


if __name__ == "__main__":
    main()
