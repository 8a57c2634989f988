"""The commands ``astro-yolo send`` and ``astro-yolo coverage``."""

from astro_yolo._cli_command import add_command, guarded, refuse_existing, refuse_inputs

__all__ = ["add_parsers"]

_SEND_EXAMPLES = """
examples:
  astro-yolo send galaxies.ecsv
  astro-yolo send galaxies.ecsv --to topcat
"""
_COVERAGE_EXAMPLES = """
examples:
  astro-yolo coverage catalogues/*.ecsv -o covered.fits
"""


def add_parsers(commands):
    """
    Add both commands to the sub-parsers of the main one.

    Parameters
    ----------
    commands : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    send = add_command(
        commands, "send", "send a table to TOPCAT, Aladin or DS9 by SAMP (extra samp)",
        _SEND_EXAMPLES,
    )  # fmt: skip
    send.add_argument("table", help="any table that Astropy reads")
    send.add_argument("--to", metavar="PROGRAM", help="name, or its start (all that load tables)")
    send.set_defaults(run=guarded(_send))
    cover = add_command(
        commands, "coverage", "write where detection ran, as a MOC (extra moc)",
        _COVERAGE_EXAMPLES,
    )  # fmt: skip
    cover.add_argument("tables", nargs="+", metavar="TABLE", help="written by astro-yolo detect")
    cover.add_argument("-o", "--output", metavar="FILE", required=True, help="FITS file to write")
    cover.add_argument("--order", type=int, default=14,
                       help="of the smallest cells: %(default)s for 13 arcsec")
    cover.add_argument("--overwrite", action="store_true", help="replace an existing file")
    cover.set_defaults(run=guarded(_coverage))


def _send(options):
    """Send and say who got it."""
    from pathlib import Path

    from astro_yolo._match_inputs import as_table
    from astro_yolo.samp import send_table

    table = as_table(options.table, "table")
    programs = send_table(table, options.to, name=Path(options.table).stem)
    print(f"{len(table)} rows sent to {', '.join(programs)}")


def _coverage(options):
    """Write the coverage and print its area."""
    from astro_yolo.sky_coverage import write_coverage

    refuse_inputs([options.output], options.tables)
    refuse_existing([options.output], overwrite=options.overwrite)
    found = write_coverage(
        options.output, [_of_a_field(path) for path in options.tables],
        order=options.order, overwrite=options.overwrite,
    )  # fmt: skip
    print(f"{found.sky_fraction * 41252.961:.4f} square degrees: {options.output}")


def _of_a_field(path):
    """Read a table that knows the image it was made from; one that does not is named."""
    from astro_yolo.catalog import read_table, table_wcs

    table = read_table(path)
    wcs = table_wcs(table)
    if wcs is None or wcs.pixel_shape is None:
        msg = f"{path} must know its image, as detect writes it in all but CSV, got a table without"
        raise ValueError(msg)
    return table
