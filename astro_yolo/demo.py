"""The demo: detect in the example field that comes with the package, and write every result."""

import shlex
from collections import Counter
from importlib.resources import files
from pathlib import Path

__all__ = ["example_paths", "next_steps", "write_demo"]

_BANDS = ("g", "r", "i")
_README = """\
Written by "astro-yolo demo"; running it again replaces these files and no others.

{examples}
    a SIMULATED field in three bands, not an observation
galaxies.ecsv   the galaxies found, one a row (astropy: QTable.read("galaxies.ecsv"))
galaxies.reg    the same as DS9 regions
galaxies.png    the same on a colour picture
"""


def example_paths():
    """
    Return the example files that come with the package.

    Returns
    -------
    dict of str to `~pathlib.Path`
        Band (g, r, i) to Rice-compressed FITS file: a simulated SDSS-like field in nanomaggies,
        640 by 512 pixels.

    Examples
    --------
    >>> from astro_yolo.demo import example_paths
    >>> sorted(example_paths())
    ['g', 'i', 'r']
    """
    folder = files("astro_yolo") / "data"
    return {band: Path(str(folder / f"example-{band}.fits.fz")) for band in _BANDS}


def write_demo(folder="astro-yolo-demo", *, model="default", backend="auto"):
    """
    Detect in the example field and write the results.

    Parameters
    ----------
    folder : path-like, optional
        Made if it does not exist. Files of the demo in it are replaced, others are left alone.
    model, backend : str, optional
        As for `~astro_yolo.detection.Detector`.

    Returns
    -------
    paths : dict of str to `~pathlib.Path`
        ``g``, ``r``, ``i`` (copies of the example), ``table``, ``regions``, ``png``, ``readme``.
    table : `~astropy.table.QTable`
        The galaxies.

    Raises
    ------
    OSError
        If ``folder`` is a file, or cannot be written to.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        msg = f"folder must be a folder or not exist yet, got the file {folder}"
        raise FileExistsError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    paths = _copy_examples(folder)
    paths |= {
        "table": folder / "galaxies.ecsv",
        "regions": folder / "galaxies.reg",
        "png": folder / "galaxies.png",
        "readme": folder / "README.txt",
    }
    table = _detect_and_write(paths, model, backend)
    names = "  ".join(paths[band].name for band in _BANDS)
    _replace(paths["readme"], _README.format(examples=names).encode())
    return paths, table


def _copy_examples(folder):
    """Copy the example files into the folder."""
    copies = {}
    for band, path in example_paths().items():
        copies[band] = folder / path.name
        _replace(copies[band], path.read_bytes())
    return copies


def _detect_and_write(paths, model, backend):
    """Detect in the copies and write the table, the regions and the picture."""
    from astro_yolo.catalog import write_table
    from astro_yolo.detection import Detector
    from astro_yolo.image import read_image
    from astro_yolo.overlays import write_png, write_regions

    image = read_image({band: paths[band] for band in _BANDS})
    table = Detector(model, backend=backend).detect(image)
    write_table(table, paths["table"], overwrite=True)
    write_regions(table, paths["regions"], overwrite=True)
    write_png(image, table, paths["png"], overwrite=True)
    return table


def _replace(path, content):
    """Write a file whole, in place of an older one."""
    from astro_yolo._files import replacing

    with replacing(path, overwrite=True) as temporary:
        temporary.write_bytes(content)


def next_steps(paths, table):
    """
    Say what the demo found, where it is and what to do next.

    Parameters
    ----------
    paths, table
        As `write_demo` returns them.

    Returns
    -------
    str
        Several lines.
    """
    counts = Counter(str(label) for label in table["label"])
    kinds = ", ".join(f"{number} {label}" for label, number in counts.most_common())
    frames = " ".join(shlex.quote(str(paths[band])) for band in _BANDS)
    shown = shlex.quote(str(paths["r"])), shlex.quote(str(paths["regions"]))
    return "\n".join(
        [
            f"{len(table)} galaxies in a simulated field" + (f": {kinds}" if kinds else ""),
            f"  table    {paths['table']}",
            f"  regions  {paths['regions']}",
            f"  picture  {paths['png']}",
            "next:",
            f"  ds9 {shown[0]} -regions {shown[1]}",
            f"  astro-yolo detect {frames}",
            "  astro-yolo detect --help     your own images, or an SDSS field by its number",
        ]
    )
