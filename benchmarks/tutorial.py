"""Make the figures of the tutorial from SDSS field 94-1-12, and print its numbers.

Run from the repository root: ``python benchmarks/tutorial.py``. Detections of the default network
are measured and matched with the catalogue of the very frames, the photoObj file; the statements
are those of docs/tutorial.rst. Image: Sloan Digital Sky Survey.
"""

import argparse
import platform
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable

mpl.use("agg")
import matplotlib.pyplot as plt
import truth_94_1_12 as field
from measure import spread

ROOT = Path(__file__).parents[1]
COLORS = {"elliptical": "#c0392b", "spiral": "#2471a3", "edge_on": "#148f77", "merger": "#8e44ad",
          "unknown": "#7f8c8d"}  # fmt: skip
MARKERS = {"elliptical": "o", "spiral": "s", "edge_on": "d", "merger": "^", "unknown": "."}
CREDIT = "Image: Sloan Digital Sky Survey"
_R = 2  # of the catalogue's u, g, r, i, z


def sdss_catalogue(data):
    """Return the catalogue of the field with the names that SkyServer has."""
    rows = fits.getdata(Path(data) / field.CATALOGUE)
    rows = rows[(rows["NCHILD"] == 0) & (np.hypot(rows["COLC"][:, _R] - 0.5 - field.EMPTY_SKY[0],
                                                  rows["ROWC"][:, _R] - 0.5 - field.EMPTY_SKY[1])
                                         > 1)]  # fmt: skip
    deep = rows["FRACDEV"][:, _R] > 0.5
    angle = np.where(deep, rows["PHI_DEV_DEG"][:, _R], rows["PHI_EXP_DEG"][:, _R])
    return QTable({
        "ra": rows["RA"] * u.deg, "dec": rows["DEC"] * u.deg, "type": rows["OBJC_TYPE"],
        "cModelMag_r": rows["CMODELMAG"][:, _R], "petroMag_r": rows["PETROMAG"][:, _R],
        "modelMag_g": rows["MODELMAG"][:, 1], "modelMag_r": rows["MODELMAG"][:, _R],
        "axisRatio_r": np.where(deep, rows["AB_DEV"][:, _R], rows["AB_EXP"][:, _R]),
        # the catalogue's angle is in the frame
        "positionAngle_r": (angle + rows["PHI_OFFSET"][:, _R]) % 180,
    })  # fmt: skip


def write(figure, path):
    """Save a figure and say how large it is."""
    figure.get_layout_engine().set(rect=(0, 0.025, 1, 0.975))
    figure.text(0.995, 0.005, CREDIT, ha="right", va="bottom", fontsize=7, color="#555555")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


def color_magnitude(table, path):
    """Draw the colour-magnitude diagram of the galaxies by class."""
    figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for label, color in COLORS.items():
        rows = table[table["label"] == label]
        axes.scatter(rows["kron_mag_r"].value, rows["color_g_r"].value, s=26, alpha=0.8, lw=0,
                     c=color, marker=MARKERS[label], label=f"{label} ({len(rows)})")
    axes.set(xlim=(15.5, 22.5), ylim=(-0.6, 2.4), xlabel="r, Kron (AB mag)", ylabel="g − r (mag)",
             title="Galaxies of SDSS field 94-1-12")
    axes.legend(frameon=False, loc="upper left", fontsize=8)
    axes.grid(alpha=0.25)
    write(figure, path)


def residuals(pairs, path):
    """Draw what was measured against the catalogue, in four panels."""
    figure, panels = plt.subplots(2, 2, figsize=(8.6, 6.6), layout="constrained")
    r, style = pairs["cModelMag_r"], {"s": 14, "lw": 0, "alpha": 0.7, "c": "#2471a3"}
    total = pairs["kron_mag_r"].value + 2.5 * np.log10(pairs["kron_fraction"])
    panels[0, 0].scatter(r, total - r, **style)
    panels[0, 0].set(xlim=(16.5, 22.5), ylim=(-1, 1), xlabel="r, cmodel",
                     ylabel="total − cmodel (mag)")
    color = pairs["color_g_r"].value - (pairs["modelMag_g"] - pairs["modelMag_r"])
    panels[0, 1].scatter(r, color, **style)
    panels[0, 1].set(xlim=(16.5, 22.5), ylim=(-1, 1), xlabel="r, cmodel",
                     ylabel="(g − r) − SDSS's (mag)")
    away = pairs["separation"].to_value(u.arcsec)
    angle = pairs["position_angle"].to_value(u.rad)
    panels[1, 0].scatter(away * np.sin(angle), away * np.cos(angle), **style)
    panels[1, 0].set(xlim=(0.6, -0.6), ylim=(-0.6, 0.6), aspect="equal", xlabel="east (arcsec)",
                     ylabel="north (arcsec)")
    panels[1, 1].scatter(pairs["axisRatio_r"][r < 20], pairs["axis_ratio"][r < 20], **style)
    panels[1, 1].plot([0, 1], [0, 1], c="#777777", lw=0.8)
    panels[1, 1].set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="axis ratio, SDSS (r < 20)",
                     ylabel="axis ratio, without the PSF")
    for axes in panels.flat[:3]:
        axes.axhline(0, c="#777777", lw=0.8)
    panels[1, 0].axvline(0, c="#777777", lw=0.8)
    for axes in panels.flat:
        axes.grid(alpha=0.25)
    write(figure, path)


def numbers(pairs):
    """Print what the tutorial says of the pairs."""
    for limit in (20, 21):
        rows = pairs[pairs["cModelMag_r"] < limit]
        total = rows["kron_mag_r"].value + 2.5 * np.log10(rows["kron_fraction"])
        color = rows["color_g_r"].value - (rows["modelMag_g"] - rows["modelMag_r"])
        long = rows[rows["axisRatio_r"] < 0.7]
        turn = np.abs((long["pa"].value - long["positionAngle_r"] + 90) % 180 - 90)
        print(f"r < {limit}, {len(rows)} pairs; median and scatter of the difference to SDSS")
        for name, values in (
            ("total - cmodel", total - rows["cModelMag_r"]),
            ("Kron - Petrosian", rows["kron_mag_r"].value - rows["petroMag_r"]),
            ("g - r", color),
            ("axis ratio", rows["axis_ratio"] - rows["axisRatio_r"]),
        ):
            print(f"  {name:<17}{{:+.3f}}  {{:.3f}}".format(*spread(values)))
        print(f"  position angle within 10 deg: {(turn < 10).sum()}/{len(turn)}")


def main():
    """Make both figures."""
    from astro_yolo import crossmatch, detect, measure, read_image

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "_static")
    args = parser.parse_args()
    data = field.data_folder()
    sdss = sdss_catalogue(data)
    image = read_image(field.frame_paths(data))
    table = detect(image, backend="onnxruntime")
    stars = detect(image, include_stars=True, classes="star", backend="onnxruntime")
    table = measure(table, image, psf=stars)
    galaxies = sdss[sdss["type"] == 3]
    found = crossmatch(table, galaxies, 2 * u.arcsec)
    print(f"{datetime.now(tz=UTC).date()}, {platform.machine()}, field 94-1-12")
    print(f"{len(table)} galaxies, {len(stars)} stars; {found}")
    bright = found.matched[found.matched["cModelMag_r"] < 21]
    print(f"offset {found.offset.east:+.3f} {found.offset.north:+.3f}, median separation "
          f"r < 21 {np.median(bright['separation']):.3f}, by chance {found.expected_by_chance:.1f}")
    numbers(found.matched)
    color_magnitude(table, args.out / "tutorial-color-magnitude.png")
    residuals(found.matched, args.out / "tutorial-residuals.png")


if __name__ == "__main__":
    main()
