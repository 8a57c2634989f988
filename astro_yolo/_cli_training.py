"""The commands ``astro-yolo sdss query``, ``download`` and ``dataset``."""

from pathlib import Path

from astro_yolo._cli_command import CommandError, add_command, check_ecsv, complain, guarded

__all__ = ["add_parser"]

_EXAMPLES = """
examples:
  astro-yolo sdss query --select S1 -o fields.ecsv
      the fields of AstroCV's selection S1 that hold galaxies of Galaxy Zoo
  astro-yolo sdss download fields.ecsv --out frames
      their g, r and i frames; interrupt it, repeat it: only what is missing is fetched
  astro-yolo sdss dataset fields.ecsv --frames frames --out T2 --recipe T2
      pictures, labels, COCO files and data.yaml of recipe T2, which is made of S1
  astro-yolo sdss download 94/1/12 1737/5/39 --out frames --bands ugriz

SkyServer and the archive are those of skyserver_base_url and sas_base_url in astro_yolo.cfg.
exit status: 0 done, 1 something failed (download: a frame could not be had; the manifest
lists it), 2 when the command itself is wrong.
"""


def add_parser(commands):
    """
    Add the command ``sdss`` to the sub-parsers of the main one.

    Parameters
    ----------
    commands : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    text = "find, download and label SDSS fields for training"
    sdss = add_command(commands, "sdss", text, _EXAMPLES)
    steps = sdss.add_subparsers(title="steps", required=True, metavar="STEP")
    _add_query(_step(steps, "query", "ask for the fields that hold galaxies of Galaxy Zoo"))
    _add_download(_step(steps, "download", "download the frames of fields"))
    _add_dataset(_step(steps, "dataset", "make a training set of downloaded fields"))


def _step(steps, name, text):
    """Return the parser of a step."""
    step = add_command(steps, name, text, _EXAMPLES)
    step.add_argument("--release", type=int, default=17, help="data release (%(default)s)")
    return step


def _add_query(step):
    step.add_argument("--zoo", default="zooSpec",
                      help="SkyServer's table of votes (%(default)s)")  # fmt: skip
    step.add_argument("--dec", type=float, nargs=2, default=(-90.0, 90.0),
                      metavar=("FROM", "TO"), help="declinations, degrees")  # fmt: skip
    step.add_argument("--min-petrosian", type=float, default=22 * 0.396 / 2.1, metavar="ARCSEC",
                      help="smallest r-band Petrosian radius (%(default).3f: a box of "
                      "22 pixels)")  # fmt: skip
    step.add_argument("--select", metavar="S1|S2", help="draw a selection of AstroCV's")
    step.add_argument("-o", "--output", required=True, metavar="FILE", help="table of fields")
    step.add_argument("--overwrite", action="store_true", help="replace an existing table")
    step.set_defaults(run=guarded(_query))


def _add_fields(step):
    step.add_argument("fields", nargs="+", metavar="FIELD",
                      help="tables of fields, or RUN/CAMCOL/FIELD")  # fmt: skip


def _add_download(step):
    _add_fields(step)
    step.add_argument("--out", required=True, metavar="FOLDER", help="where to put the frames")
    step.add_argument("--bands", default="gri", help="of ugriz (%(default)s)")
    step.add_argument("--workers", type=int, default=4,
                      help="downloads at a time (%(default)s)")  # fmt: skip
    step.add_argument("--rate", type=float, default=4.0,
                      help="downloads begun in a second at most (%(default)s)")  # fmt: skip
    step.add_argument("--tries", type=int, default=3, help="for each frame (%(default)s)")
    step.set_defaults(run=guarded(_download))


def _add_dataset(step):
    _add_fields(step)
    step.add_argument("--frames", required=True, metavar="FOLDER", help="of the downloads")
    step.add_argument("--out", required=True, metavar="FOLDER", help="where to make the set")
    step.add_argument("--recipe", required=True, metavar="T1-T6", help="AstroCV's recipe")
    step.add_argument("--zoo2", metavar="TABLE",
                      help="take further votes from this table of Galaxy Zoo 2")  # fmt: skip
    step.add_argument("--assign", action="append", default=[], metavar="FIELD=SPLIT",
                      help="put a field into train, val or test; may be repeated")  # fmt: skip
    step.add_argument("--skip-missing", action="store_true",
                      help="leave out fields whose frames are not all there")  # fmt: skip
    step.add_argument("--blank-ignored", action="store_true",
                      help="paint galaxies without a class over with sky")  # fmt: skip
    step.set_defaults(run=guarded(_dataset))


def _query(options):
    """Write the table of fields."""
    from astro_yolo._files import replacing
    from astro_yolo.training.queries import fields_with_galaxies
    from astro_yolo.training.recipes import SELECTIONS, select_fields

    select = (options.select or "").upper()
    if select and select not in SELECTIONS:
        msg = f"--select must be one of {', '.join(SELECTIONS)}, got {options.select!r}"
        raise CommandError(msg)
    check_ecsv(options.output)
    with replacing(options.output, overwrite=options.overwrite) as part:
        table = fields_with_galaxies(
            zoo=options.zoo, dec=options.dec, min_petrosian=options.min_petrosian,
            data_release=options.release,
        )  # fmt: skip
        galaxies = int(table["galaxies"].sum()) if len(table) else 0
        print(f"{len(table)} fields with {galaxies} galaxies of {options.zoo}")
        if not len(table):
            msg = f"no field between declinations {options.dec[0]:g} and {options.dec[1]:g}"
            raise ValueError(msg)
        if select:
            numbers = list(zip(table["run"], table["camcol"], table["field"], strict=True))
            drawn = set(select_fields(numbers, select))
            table = table[[tuple(map(int, number)) in drawn for number in numbers]]
            print(f"{len(table)} of them drawn for {select}")
        table.write(part, format="ascii.ecsv", delimiter=",")


def _read_fields(texts):
    """Return run, camcol, field of every field that the arguments name."""
    from astro_yolo.training.sdss import parse_field

    fields = []
    for text in texts:
        if not Path(text).is_file():
            if Path(text).suffix:  # meant as a table
                msg = f"{text} does not exist"
                raise FileNotFoundError(msg)
            fields.append(parse_field(text))
            continue
        fields += _fields_of(text)
    return list(dict.fromkeys(fields))


def _fields_of(path):
    """Return run, camcol, field of every row of a table; FITS files of SDSS write them large."""
    from astro_yolo._columns import floats
    from astro_yolo._match_inputs import as_table
    from astro_yolo.training.sdss import parse_field

    table, columns = as_table(path, "fields"), []
    names = {name.lower(): name for name in table.colnames}
    for name in ("run", "camcol", "field"):
        if name not in names:
            msg = f"{path} must have the column {name}, which is missing"
            raise ValueError(msg)
        columns.append(floats(table[names[name]]).tolist())
    fields = []
    for row, numbers in enumerate(zip(*columns, strict=True)):
        try:
            fields.append(parse_field("/".join(f"{number:.10g}" for number in numbers)))
        except ValueError as error:
            msg = f"{path}, row {row}: {error}"
            raise ValueError(msg) from error
    return fields


def _download(options):
    """Download frames, and count what became of them."""
    import warnings
    from collections import Counter

    from astro_yolo.exceptions import AstroYoloWarning
    from astro_yolo.training.download import MANIFEST, download_frames

    fields = _read_fields(options.fields)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstroYoloWarning)  # said below
        rows = download_frames(
            fields, options.out, bands=options.bands, data_release=options.release,
            workers=options.workers, rate=options.rate, tries=options.tries, progress=True,
        )  # fmt: skip
    states = Counter(row.state for row in rows)
    print(", ".join(f"{number} {state}" for state, number in sorted(states.items())))
    bad = [row for row in rows if row.state != "whole"]
    if bad:
        complain(bad[0].message)
        complain(f"see {Path(options.out) / MANIFEST}")
    return 1 if bad else 0


def _dataset(options):
    """Ask for the galaxies of each field, make the set, and show what is in it."""
    from astropy.table import Table

    from astro_yolo.training._progress import progress_bar
    from astro_yolo.training.export_sets import SkyField, export_dataset
    from astro_yolo.training.queries import field_catalog, field_votes
    from astro_yolo.training.recipes import find_recipe, select_fields
    from astro_yolo.training.sky_splits import check_assign

    recipe, assign = find_recipe(options.recipe), _assigned(options.assign)
    drawn = _with_frames(
        select_fields(_read_fields(options.fields), recipe.selection), options
    )
    check_assign(assign, drawn)  # before hours of questions
    fields = []
    with progress_bar(len(drawn), show=True, of="catalogue") as step:
        for numbers in drawn:
            votes = None
            if options.zoo2:
                votes = field_votes(*numbers, zoo=options.zoo2, data_release=options.release)
            catalog = field_catalog(*numbers, data_release=options.release)
            fields.append(SkyField(*numbers, catalog, votes))
            step()
    marker = export_dataset(
        fields, options.frames, options.out, recipe, data_release=options.release,
        assign=assign, blank_ignored=options.blank_ignored, progress=True,
    )  # fmt: skip
    for line in Table.read(marker.parent / "objects.ecsv").pformat(max_width=-1):
        print(line)
    print(f"{recipe.selection.name}: {len(drawn)} fields, published {recipe.selection.fields}; "
          "published images of val are in one filter")  # fmt: skip
    print(marker)


def _assigned(texts):
    """Return the split of every field that is put into one by hand."""
    from astro_yolo.training.sdss import parse_field

    assign = {}
    for text in texts:
        name, _, split = text.partition("=")
        if assign.setdefault(parse_field(name), split) != split:
            msg = f"--assign must put field {name} into one split, got more than one"
            raise CommandError(msg)
    return assign


def _with_frames(fields, options):
    """Return the fields whose frames were downloaded; say how many were not, or which is not."""
    from astro_yolo.training.download import plan_frames

    rows = plan_frames(fields, data_release=options.release)
    missing = [row for row in rows if not (Path(options.frames) / row.path).is_file()]
    if missing and not options.skip_missing:
        path = Path(options.frames) / missing[0].path
        msg = f"frames must hold the file {path.name}, which is not in {path.parent}"
        raise FileNotFoundError(f"{msg}; --skip-missing leaves such fields out")
    left = {(row.run, row.camcol, row.field) for row in missing}
    if left:
        complain(f"{len(left)} of {len(fields)} fields are left out: not all frames are there")
    if len(left) == len(fields):
        msg = f"frames must hold the frames of one field at least, and {options.frames} has none"
        raise FileNotFoundError(msg)
    return [field for field in fields if field not in left]
