"""The arguments of ``astro-yolo detect``."""

import argparse

from astro_yolo._cli_command import add_command
from astro_yolo._cli_detect import run

__all__ = [
    "add_hdu", "add_network", "add_parser", "add_preparation", "add_threshold", "add_zeropoint",
    "length", "only_or_all",
]  # fmt: skip

_EXAMPLES = """
examples:
  astro-yolo detect g.fits r.fits i.fits -o galaxies.ecsv --regions galaxies.reg --png galaxies.png
      the three bands of one field, from short to long wavelength
  astro-yolo detect f200w.fits --hdu SCI
      one band; without an output the strongest detections are printed
  astro-yolo detect --each *.fits --out-dir catalogues --regions --png
      every file is a field of its own
  astro-yolo detect --list fields.txt --out-dir catalogues --json
      one field a line: the files of its bands
  astro-yolo detect --list fields.txt --out-dir catalogues --resume
      go on where the last run was stopped
  astro-yolo detect --sdss 94/1/12 -o galaxies.vot
      fetch the g, r and i frames of an SDSS field first

exit status: 0 when every field was done (finding nothing is no failure), 1 when a field
failed (the others are written all the same), 2 when the command itself is wrong.
"""

_FORMATS = ("ecsv", "fits", "vot", "parquet", "csv")
_BACKENDS = ("auto", "onnxruntime", "openvino", "ultralytics")


def add_parser(commands):
    """
    Add the command to the sub-parsers of the main one.

    Parameters
    ----------
    commands : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    text = "find and classify the galaxies in images"
    parser = add_command(commands, "detect", text, _EXAMPLES)
    parser.set_defaults(run=run, parser=parser)
    _add_inputs(parser.add_argument_group("what to look at"))
    _add_selection(parser.add_argument_group("what to keep"))
    add_network(parser.add_argument_group("network"))
    _add_outputs(parser.add_argument_group("what to write"))


def _add_inputs(group):
    group.add_argument(
        "files", nargs="*", metavar="FILE",
        help="the bands of ONE field, from short to long wavelength (FITS, plain or compressed, "
        "JPG, PNG)",
    )  # fmt: skip
    group.add_argument("--each", action="store_true", help="every FILE is a field of its own")
    group.add_argument(
        "--list", metavar="LIST", help="one field a line: its FILEs; - is standard input"
    )
    group.add_argument(
        "--sdss", metavar="RUN/CAMCOL/FIELD", action="append", default=[],
        help="fetch this SDSS field (g, r, i); may be repeated",
    )  # fmt: skip
    add_hdu(group)


def add_hdu(group):
    """Add the option that names the extension to read."""
    group.add_argument(
        "--hdu", type=_hdu_name, help="number or name of the extension to read, or SCI,2"
    )


def add_zeropoint(group):
    """Add the option that tells what one unit of the bands is."""
    group.add_argument(
        "--zeropoint", type=float, nargs="+", metavar="MAG",
        help="AB magnitude of one unit, for all bands or each (default: of the headers)",
    )  # fmt: skip


def _add_selection(group):
    add_threshold(group)
    group.add_argument(
        "--classes", metavar="A,B", help="keep these: elliptical, spiral, edge_on, merger, unknown"
    )
    group.add_argument("--include-stars", action="store_true", help="return stars as well")
    group.add_argument(
        "--priors", type=_weights, metavar="CLASS=W,...",
        help="how many times more common these classes are than among Galaxy Zoo's galaxies",
    )  # fmt: skip
    add_preparation(group)
    group.add_argument(
        "--measure", action="store_true", help="add shapes, fluxes and magnitudes to the table"
    )


def add_threshold(group):
    """Add the options that say how sure a detection must be."""
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--score", type=_between(0, 1),
        help="smallest probability of a galaxy (default: of the weights)",
    )  # fmt: skip
    either.add_argument(
        "--min-purity", type=_between(0, 1), metavar="SHARE",
        help="share of true galaxies wanted, instead of --score",
    )  # fmt: skip


def add_preparation(group):
    """Add the options that change the image before the network sees it."""
    group.add_argument(
        "--zoom", type=_between(0.25, 4), metavar="FACTOR",
        help="enlarge the image first, 0.25 to 4 (default: as its stars ask for)",
    )  # fmt: skip
    group.add_argument(
        "--background", type=_between(16, 100_000), metavar="PIXELS",
        help="subtract the local sky of squares of this side first (default: the sky is flat)",
    )  # fmt: skip


def _weights(text):
    """Return class names and numbers as a dict; detection checks them."""
    pairs = [word.partition("=") for word in text.split(",")]
    try:
        return {name.strip(): float(number) for name, _, number in pairs}
    except ValueError:
        msg = f"must be CLASS=NUMBER, separated by commas, got {text!r}"
        raise argparse.ArgumentTypeError(msg) from None


def add_network(group):
    """Add the options that choose the network."""
    group.add_argument("--model", default="default", help="name of weights, or .onnx or .pt file")
    group.add_argument("--backend", default="auto", choices=_BACKENDS, help="(default: auto)")
    group.add_argument("--device", help="cpu or cuda (default: what the backend chooses)")


def _add_outputs(group):
    group.add_argument(
        "-o", "--output", metavar="FILE",
        help="table of the one field: .ecsv, .fits, .vot, .parquet or .csv",
    )  # fmt: skip
    group.add_argument(
        "--out-dir", metavar="FOLDER", help="write NAME.ecsv of every field, NAME from its files"
    )
    group.add_argument(
        "--format", default="ecsv", choices=_FORMATS, help="of tables in --out-dir (%(default)s)"
    )
    group.add_argument(
        "--regions", metavar="FILE.reg", nargs="?", const=True,
        help="DS9 regions; without a name NAME.reg, in --out-dir if given",
    )  # fmt: skip
    group.add_argument(
        "--png", metavar="FILE.png", nargs="?", const=True,
        help="picture with the detections; without a name NAME.png, in --out-dir if given",
    )  # fmt: skip
    group.add_argument(
        "--stretch", default="asinh",
        help="of the picture: asinh (default), lupton, lupton_high, sinh, sinh_high, sqrt, zscale, "
        "log, linear; asinh and zscale suit data that is not in nanomaggies",
    )  # fmt: skip
    group.add_argument("--overwrite", action="store_true", help="replace existing files")
    group.add_argument(
        "--resume", action="store_true",
        help="go on after a kill: leave out fields whose outputs are all there, and of the others "
        "write what is missing",
    )  # fmt: skip
    group.add_argument("--json", action="store_true", help="print a summary as JSON, nothing else")
    group.add_argument("-q", "--quiet", action="store_true", help="print errors alone")


def _between(low, high):
    """Return a function that reads a number within two bounds, both allowed."""

    def number(text):
        value = float(text)
        if not low <= value <= high:
            msg = f"must be from {low:g} to {high:g}, got {text}"
            raise argparse.ArgumentTypeError(msg)
        return value

    return number


def _hdu_name(text):
    """Read a number of an extension, or a name, which a comma and its version may follow."""
    name, comma, version = text.rpartition(",")
    if comma and version.strip().isdecimal():
        return name.strip(), int(version)
    return int(text) if text.lstrip("-").isdecimal() else text


def only_or_all(values):
    """
    Return the one value that an option was given, or all of several.

    Parameters
    ----------
    values : list or None
        What stands behind an option that takes one value for all bands, or one each.

    Returns
    -------
    object
        None where the option was left out.
    """
    return values[0] if values and len(values) == 1 else values


def length(text):
    """
    Read an angle in arcseconds, or a number of pixels with px behind it.

    Parameters
    ----------
    text : str
        Such as 1.5 or 4px.

    Returns
    -------
    `~astropy.units.Quantity`
    """
    from astropy import units as u

    number = text.removesuffix("px")
    try:
        return float(number) * (u.arcsec if number == text else u.pix)
    except ValueError:
        msg = f"must be arcseconds, or pixels as in 4px, got {text!r}"
        raise argparse.ArgumentTypeError(msg) from None
