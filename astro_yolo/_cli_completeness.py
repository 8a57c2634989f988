"""The command ``astro-yolo completeness``."""

import sys
from math import isfinite

from astro_yolo._cli_arguments import (
    add_hdu,
    add_network,
    add_preparation,
    add_threshold,
    add_zeropoint,
    length,
    only_or_all,
)
from astro_yolo._cli_command import (
    add_command,
    check_plot,
    check_tables,
    guarded,
    print_rows,
    refuse_existing,
    refuse_inputs,
)

__all__ = ["add_parser"]

_SHARES = 0.5, 0.9  # whose limits are printed

_EXAMPLES = """
examples:
  astro-yolo completeness g.fits r.fits i.fits -o galaxies.ecsv --plot completeness.png
  astro-yolo completeness f200w.fits --hdu SCI --zeropoint 28.0 --psf 0.066 --magnitudes 22 28

exit status: 0 when it was measured (finding nothing is no failure), 1 when it could not be, 2 when
the command itself is wrong.
"""


def add_parser(commands):
    """
    Add the command to the sub-parsers of the main one.

    Parameters
    ----------
    commands : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    parser = add_command(
        commands, "completeness", "which galaxies are found in an image", _EXAMPLES,
        description="Put model galaxies into an image and see which are found.",
    )  # fmt: skip
    parser.add_argument(
        "files", nargs="+", metavar="FILE",
        help="the bands of the field, from short to long wavelength (FITS)",
    )  # fmt: skip
    add_hdu(parser)
    _add_galaxies(parser.add_argument_group("what to put in"))
    search = parser.add_argument_group("how to look")
    add_threshold(search)
    add_preparation(search)
    add_network(parser.add_argument_group("network"))
    outputs = parser.add_argument_group("what to write")
    outputs.add_argument("-o", "--output", metavar="FILE", help="table of the galaxies put in")
    outputs.add_argument("--plot", metavar="FILE", help="write the curve (PNG, PDF or SVG)")
    outputs.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.set_defaults(run=guarded(_completeness))


def _add_galaxies(group):
    """Add the options that choose the galaxies."""
    group.add_argument(
        "--magnitudes", type=float, nargs=2, default=(18, 23), metavar=("BRIGHT", "FAINT"),
        help="AB, of the r band or else the middle one (18 23)",
    )  # fmt: skip
    group.add_argument(
        "--radii", type=length, nargs=2, metavar=("SMALL", "LARGE"),
        help="half-light radii in arcsec (0.5 2.5), or in pixels: 1px 6px",
    )  # fmt: skip
    group.add_argument(
        "--number", type=int, default=500, help="how many galaxies (%(default)s)"
    )  # fmt: skip
    group.add_argument("--seed", type=int, default=0, help="of the random numbers (%(default)s)")
    group.add_argument(
        "--psf", type=length, metavar="ARCSEC",
        help="width of the PSF, or in pixels: 3px (default: the stars of the image)",
    )  # fmt: skip
    add_zeropoint(group)
    group.add_argument(
        "--colors", type=float, nargs="+", metavar="MAG",
        help="magnitude of each band minus that of the r or else middle one, for every band in "
        "their order, 0 for that itself (default: as of the galaxies in the image)",
    )  # fmt: skip


def _completeness(options):
    """Measure, write and print the curve and its limits."""
    from astro_yolo.catalog import write_table
    from astro_yolo.detection import Detector
    from astro_yolo.image import read_image
    from astro_yolo.recovery import completeness

    check_tables([options.output])
    check_plot(options.plot)
    outputs = [options.output, options.plot]
    refuse_inputs(outputs, options.files)
    refuse_existing(outputs, overwrite=options.overwrite)
    image = read_image(only_or_all(options.files), hdu=options.hdu)
    found = completeness(
        image,
        detector=Detector(options.model, device=options.device, backend=options.backend),
        magnitudes=options.magnitudes, half_light_radii=options.radii, number=options.number,
        seed=options.seed, psf=options.psf, colors=options.colors,
        zeropoint=only_or_all(options.zeropoint),
        score=options.score, min_purity=options.min_purity, zoom=options.zoom,
        background=options.background, progress=sys.stderr.isatty(),
    )  # fmt: skip
    if options.output:
        write_table(found.table, options.output, overwrite=options.overwrite)
    if options.plot:
        found.plot(options.plot, overwrite=options.overwrite)
    _report(found)


def _report(found):
    """Print the curve and its limits."""
    band, columns = found.table.meta["REFBAND"], [found.by("magnitude"), found.by("type")]
    print(f"{found.table['found'].sum()} of {len(found.table)} galaxies found")
    for rows in columns:
        print_rows(rows)
    for share in _SHARES:
        limit = found.limit(share)
        text = "not reached in these magnitudes"
        if isfinite(limit.magnitude):
            text = f"{band} = {limit.magnitude:.2f} ({limit.low:.2f} to {limit.high:.2f}, 95 %)"
        print(f"{share:.0%} complete: {text}")
