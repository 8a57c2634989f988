"""The commands ``astro-yolo match`` and ``astro-yolo compare``."""

import argparse

from astro_yolo._cli_command import (
    CommandError,
    add_command,
    check_plot,
    check_tables,
    complain,
    guarded,
    located,
    print_rows,
    refuse_existing,
    refuse_inputs,
)

__all__ = ["add_parsers"]

_MATCH_EXAMPLES = """
examples:
  astro-yolo match galaxies.ecsv sdss.fits -o matched.ecsv
  astro-yolo match galaxies.ecsv mine.csv --radius 3 --unit rad --unmatched new.ecsv
  astro-yolo match galaxies.ecsv gaia.vot --epoch 2004.7 --mode best
  astro-yolo match galaxies.ecsv simbad --radius 5 --save-catalog simbad.ecsv
  astro-yolo match galaxies.ecsv vizier:II/349/ps1 -o matched.ecsv

exit status: 0 when the match was made (no pair is no failure), 1 when it could not be, 2 when the
command itself is wrong.
"""
_COMPARE_EXAMPLES = """
examples:
  astro-yolo compare galaxies.ecsv truth.fits
      recall and purity of all
  astro-yolo compare measured.ecsv truth.fits --magnitude r --table-magnitude kron_mag_r \\
      --regions outcome.reg --plot outcome.png
      in bins of magnitude; for false detections purity needs the table's own
"""


def add_parsers(commands):
    """
    Add both commands to the sub-parsers of the main one.

    Parameters
    ----------
    commands : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    match = _command(commands, "match", "match a table with a catalogue on the sky",
                     _MATCH_EXAMPLES)
    match.add_argument("--mode", choices=("one-to-one", "best", "all"), default="one-to-one",
                       help="which pairs (%(default)s)")
    match.add_argument("--correct", action="store_true",
                       help="match again after taking off the median offset")
    match.add_argument("--epoch", type=float, help="Julian year to move proper motions to")
    match.add_argument("-o", "--output", metavar="FILE", help="write the pairs")
    match.add_argument("--unmatched", metavar="FILE", help="write the rows without a partner")
    match.add_argument("--unmatched-catalog", metavar="FILE",
                       help="write the catalogue's rows without a partner")
    match.set_defaults(run=guarded(_match))
    compare = _command(commands, "compare", "recall and purity of a table against a catalogue",
                       _COMPARE_EXAMPLES)
    compare.add_argument("--magnitude", metavar="COLUMN",
                         help="of the catalogue, from -99 to 99: others stand for none")
    compare.add_argument("--table-magnitude", metavar="COLUMN",
                         help="of the table; without it there is no purity by magnitude")
    compare.add_argument("--bins", type=_edges, metavar="A,B,...",
                         help="edges of the bins of --magnitude")
    compare.add_argument("--catalog-label", metavar="COLUMN", help="classes of the catalogue")
    compare.add_argument("--regions", metavar="FILE", help="write matched, missed and spurious "
                         "objects as DS9 regions in three colours")
    compare.add_argument("--plot", metavar="FILE", help="write a plot (PNG, PDF or SVG)")
    compare.set_defaults(run=guarded(_compare))


def _command(commands, name, text, examples):
    """Return the parser of a command with what both share."""
    parser = add_command(commands, name, text, examples)
    parser.add_argument("table", help="table of detections, or any with positions")
    parser.add_argument("catalog", help="catalogue: any table that Astropy reads, or a service to "
                        "ask: sdss, gaia, simbad, ned, vizier:TABLE (extra catalogs)")
    parser.add_argument("--radius", default="2", metavar="ARCSEC",
                        help='largest separation, or "size", or a column (%(default)s)')
    parser.add_argument("--unit", help="of positions whose columns have no unit (deg for ra and "
                        "dec; others must have one), or two with a comma: hourangle,deg")
    parser.add_argument("--save-catalog", metavar="FILE", help="write what a service answered")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    return parser


def _edges(text):
    """Return the numbers of a comma-separated list."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        msg = f"must be numbers with commas between, got {text!r}"
        raise argparse.ArgumentTypeError(msg) from error


def _radius(text):
    """Return a radius: an angle for a number, else the name of a column."""
    from astropy import units as u

    try:
        return float(text) * u.arcsec
    except ValueError:
        return text


def _check_outputs(options, outputs):
    """Refuse, before the work, files that could not be written or would replace one another."""
    from astro_yolo.services import SERVICES, is_service

    refuse_inputs(outputs, (options.table, options.catalog))
    refuse_existing(outputs, overwrite=options.overwrite)
    if options.save_catalog and not is_service(options.catalog):
        msg = (f"--save-catalog must come with a service ({', '.join(SERVICES)}), got the file "
               f"{options.catalog}")  # fmt: skip
        raise CommandError(msg)


def _sides(options):
    """Return the table, and the catalogue: a file, or the answer of a service."""
    from astro_yolo.catalog import write_table
    from astro_yolo.services import fetch_catalog, is_service

    table = located(options.table, "table", options.unit)
    if not is_service(options.catalog):
        return table, located(options.catalog, "catalog", options.unit)
    answer = fetch_catalog(options.catalog, table)
    print(f"{options.catalog}: {len(answer)} objects")
    if options.save_catalog:
        write_table(answer, options.save_catalog, overwrite=options.overwrite)
    return table, answer


def _match(options):
    """Match, write and print the numbers."""
    from astro_yolo._match_inputs import has_motion
    from astro_yolo.catalog import write_table
    from astro_yolo.matching import crossmatch

    outputs = {"matched": options.output, "unmatched": options.unmatched,
               "unmatched_catalog": options.unmatched_catalog}
    tables = [*outputs.values(), options.save_catalog]
    check_tables(tables)
    _check_outputs(options, tables)
    sides = _sides(options)
    found = crossmatch(
        *sides, _radius(options.radius), mode=options.mode, correct=options.correct,
        epoch=options.epoch,
    )
    if options.epoch is not None and not any(map(has_motion, sides)):
        complain("--epoch moves nothing: neither side has proper motions")
    for name, path in outputs.items():
        if path:
            write_table(getattr(found, name), path, overwrite=options.overwrite)
    for name in ("matched", "unmatched", "unmatched_catalog", "rejected", "rejected_catalog"):
        print(f"{name.replace('_', ' ') + ':':<20}{len(getattr(found, name)):>8}")
    if len(found.matched):
        offset = found.offset
        print(f"{'offset:':<20}{offset.east.value:>8.3f} arcsec east, "
              f"{offset.north.value:.3f} arcsec north (scatter {offset.scatter_east.value:.3f}, "
              f"{offset.scatter_north.value:.3f})")
        print(f"{'expected by chance:':<20}{found.expected_by_chance:>8.1f}")


def _compare(options):
    """Compare, write and print the table of recall and purity."""
    from astro_yolo.comparison import compare

    check_tables([options.save_catalog])
    check_plot(options.plot)
    _check_outputs(options, (options.regions, options.plot, options.save_catalog))
    found = compare(
        *_sides(options), _radius(options.radius), magnitude=options.magnitude,
        table_magnitude=options.table_magnitude, bins=options.bins,
        catalog_label=options.catalog_label,
    )
    if options.regions:
        found.write_regions(options.regions, overwrite=options.overwrite)
    if options.plot:
        found.plot(options.plot, overwrite=options.overwrite)
    for rows in (found.bins, found.classes, found.confusion):
        if len(rows):
            print_rows(rows)
    if len(found.outside):
        print(f"left out: {len(found.outside)} objects of the catalogue beyond the image searched")
    if options.magnitude and not options.table_magnitude:
        complain("no purity by magnitude: --table-magnitude names that of false detections")
