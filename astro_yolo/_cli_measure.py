"""The command ``astro-yolo measure``."""

from astro_yolo._cli_arguments import add_hdu, add_zeropoint, length, only_or_all
from astro_yolo._cli_command import (
    add_command,
    check_tables,
    guarded,
    refuse_existing,
    refuse_inputs,
)

__all__ = ["add_parser"]

_EXAMPLES = """
examples:
  astro-yolo measure galaxies.ecsv g.fits r.fits i.fits -o measured.ecsv
  astro-yolo measure galaxies.ecsv f200w.fits --hdu SCI --zeropoint 28.0 -o measured.fits
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
        commands, "measure", "add shapes, fluxes and magnitudes to a table", _EXAMPLES,
        description="Measure the sources of a table in the image that they were found in.",
    )  # fmt: skip
    parser.add_argument("table", help="table of detections")
    parser.add_argument(
        "files", nargs="+", metavar="FILE",
        help="the bands of the field, from short to long wavelength",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="table to write")
    add_zeropoint(parser)
    parser.add_argument(
        "--aperture", type=length, metavar="ARCSEC",
        help="radius of the circular aperture (1.5), or in pixels: 4px",
    )  # fmt: skip
    parser.add_argument(
        "--psf", type=length, metavar="ARCSEC",
        help="width of the PSF, taken out of the axis ratio, or in pixels",
    )  # fmt: skip
    add_hdu(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=guarded(_measure))


def _measure(options):
    """Measure, write, and say so."""
    from astro_yolo._files import reading
    from astro_yolo._table_files import read_plain
    from astro_yolo.catalog import write_table
    from astro_yolo.measuring import measure

    check_tables([options.output])
    refuse_inputs([options.output], options.files)
    refuse_existing([options.output], overwrite=options.overwrite)
    with reading(options.table, "a table"):
        table = read_plain(options.table)
    table = measure(
        table,
        only_or_all(options.files),
        zeropoint=only_or_all(options.zeropoint),
        aperture=options.aperture,
        psf=options.psf,
        hdu=options.hdu,
    )
    write_table(table, options.output, overwrite=options.overwrite)
    print(f"{len(table)} sources measured: {options.output}")
