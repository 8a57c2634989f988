"""What ``astro-yolo detect`` does."""

import json
import sys
import time
import warnings
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

from astro_yolo import __version__
from astro_yolo._cli_command import by_options, complain, refuse_existing
from astro_yolo._cli_fields import check_endings, collect_fields, plan_outputs
from astro_yolo.exceptions import AstroYoloError, AstroYoloWarning, NoDetectionsWarning

__all__ = ["run"]

_ROWS = 20  # of a printed table
_COLUMNS = ("id", "ra", "dec", "x", "y", "width", "height", "score", "label")
_DECIMALS = {"ra": "%.6f", "dec": "%.6f", "x": "%.1f", "y": "%.1f", "width": "%.1f",
             "height": "%.1f", "score": "%.3f"}  # fmt: skip


def run(options):
    """
    Detect in every field, write and print what was asked for.

    Parameters
    ----------
    options : `argparse.Namespace`
        The parsed command line.

    Returns
    -------
    int
        0, 1 if a field failed, 2 if the network cannot be used.
    """
    fields, plans = _plan(options)
    try:
        detector = _load(options)
    except (AstroYoloError, OSError, ValueError) as error:
        complain(_one_line(error))
        return 2
    progress = _Progress(len(fields), visible=_is_interactive(options))
    records = []
    for number, (field, outputs) in enumerate(zip(fields, plans, strict=True), start=1):
        progress.show(number, field.name)
        with _warnings_named(field.name, progress, quiet=options.quiet):
            record = _try_field(field, outputs, detector, options)
        progress.clear()
        records.append(record)
        _report(record, options)
    failed = sum(record["error"] is not None for record in records)
    if options.json:
        print(json.dumps(_summary(records, detector, failed), indent=2), flush=True)
    elif failed and len(records) > 1:
        complain(f"{failed} of {len(records)} fields failed")
    return 1 if failed else 0


def _plan(options):
    """Return the fields and where their results go; end with a message if that makes no sense."""
    try:
        check_endings(options.regions, options.png)
        _check_names(options)
        _check_resume(options)
        fields = collect_fields(
            options.files, each=options.each, list_file=options.list, sdss=options.sdss
        )
        plans = plan_outputs(
            fields,
            output=options.output,
            out_dir=options.out_dir,
            regions=options.regions,
            png=options.png,
            ending=options.format,
        )
        if options.out_dir:
            _make_folder(options.out_dir)
    except (ValueError, OSError) as error:
        options.parser.error(_one_line(error))
    return fields, plans


def _make_folder(name):
    """Make the folder of the outputs unless it is there."""
    try:
        Path(name).mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        msg = f"--out-dir must be a folder, got {name}, which is none"
        raise ValueError(msg) from error


def _check_names(options):
    """Turn ``--classes`` into a list; refuse classes and stretches that do not exist."""
    from astro_yolo.catalog import LABELS
    from astro_yolo.network.priors import class_weights
    from astro_yolo.stretch import STRETCHES

    class_weights(options.priors)
    if options.stretch not in STRETCHES:
        msg = f"--stretch must be one of {', '.join(STRETCHES)}, got {options.stretch!r}"
        raise ValueError(msg)
    if options.classes is None:
        return
    options.classes = [name for name in options.classes.replace(",", " ").split() if name]
    allowed = LABELS if options.include_stars else LABELS[:-1]
    unknown = [name for name in options.classes if name not in allowed]
    if unknown or not options.classes:
        hint = "; star needs --include-stars" if "star" in unknown else ""
        msg = f"--classes must be among {', '.join(allowed)}, got {', '.join(unknown) or 'none'}"
        raise ValueError(msg + hint)


def _check_resume(options):
    """Refuse ``--resume`` where it says nothing."""
    if options.resume and options.overwrite:
        msg = "give --resume, which keeps what is there, or --overwrite, not both"
        raise ValueError(msg)
    if options.resume and not (options.output or options.out_dir or options.regions or options.png):
        msg = "--resume needs outputs that tell what is done: -o, --out-dir, --regions or --png"
        raise ValueError(msg)


def _load(options):
    """Return the detector with its network loaded: trouble shows before the first field."""
    from astro_yolo.detection import Detector

    detector = Detector(options.model, device=options.device, backend=options.backend)
    detector.backend  # noqa: B018 - reads the weights and starts the runtime
    if options.min_purity is not None:
        detector.weights.score_for_purity(options.min_purity)
    return detector


def _try_field(field, outputs, detector, options):
    """Return the record of one field, of its failure too."""
    record = {"name": field.name, "files": list(field.files), "error": None}
    start = time.perf_counter()
    try:
        record |= _do_field(field, outputs, detector, options)
    except (AstroYoloError, OSError) as error:
        record["error"] = _one_line(error)
    except Exception as error:  # noqa: BLE001 - one bad field must not cost the others
        record["error"] = f"{type(error).__name__}: {_one_line(error)}"
    record["seconds"] = round(time.perf_counter() - start, 3)
    return record


def _do_field(field, outputs, detector, options):
    """Detect in one field, write its results, and return what to say about it."""
    names = [str(path) for path in outputs.paths()]
    if options.resume:
        outputs = outputs.missing()
        if not outputs.paths():
            return {"skipped": True, "outputs": names}
    refuse_existing(outputs.paths(), overwrite=options.overwrite)
    from astro_yolo.image import read_image

    bands, found = _bands(field, options), {}
    if field.sdss:
        found["files"] = [str(path) for path in bands.values()]
    image = read_image(bands, hdu=options.hdu)
    table = detector.detect(
        image,
        score=options.score,
        min_purity=options.min_purity,
        classes=options.classes,
        include_stars=options.include_stars,
        priors=options.priors,
        zoom=options.zoom,
        background=options.background,
        measure=options.measure,
        progress=_is_interactive(options),
    )
    _write(table, image, outputs, options)
    counts = Counter(str(label) for label in table["label"])
    stars = counts.pop("star", 0)
    return found | {
        "galaxies": len(table) - stars,
        "stars": stars,
        "labels": dict(sorted(counts.items())),
        "outputs": names,
        "table": table,
    }


def _bands(field, options):
    """Return the bands as `read_image` takes them; fetch those of an SDSS field."""
    if field.sdss:
        from astro_yolo.training.sdss import fetch_frames

        return fetch_frames(*field.sdss, progress=_is_interactive(options))
    return field.files[0] if len(field.files) == 1 else list(field.files)


def _write(table, image, outputs, options):
    """Write the table, the regions and the picture of one field."""
    from astro_yolo.catalog import write_table

    # with --resume, what another process was faster to write is done
    passed_over = FileExistsError if options.resume else ()
    if outputs.table:
        with suppress(passed_over):
            write_table(table, outputs.table, overwrite=options.overwrite)
    if outputs.regions:
        from astro_yolo.overlays import write_regions

        with suppress(passed_over):
            write_regions(table, outputs.regions, overwrite=options.overwrite)
    if outputs.png:
        from astro_yolo.overlays import write_png

        with suppress(passed_over):
            write_png(
                image, table, outputs.png, stretch=options.stretch, overwrite=options.overwrite
            )


def _report(record, options):
    """Print the line, or the table, of one field."""
    table = record.pop("table", None)
    if record["error"] is not None:
        complain(f"{record['name']}: {record['error']}")
    elif not options.json and not options.quiet:
        # at once: a log must tell what was done before a kill
        print(_line(record), flush=True)
        if not record["outputs"] and len(table):
            print("\n".join(_table_lines(table)), flush=True)


def _line(record):
    """Return one line about a field that was done."""
    if record.get("skipped"):
        return f"{record['name']}: done before -> {', '.join(record['outputs'])}"
    kinds = ", ".join(f"{number} {label}" for label, number in record["labels"].items())
    text = f"{record['name']}: {record['galaxies']} galaxies"
    text += f" ({kinds})" if kinds else ""
    text += f", {record['stars']} stars" if record["stars"] else ""
    text += f" in {record['seconds']:.2f} s"
    return text + (f" -> {', '.join(record['outputs'])}" if record["outputs"] else "")


def _table_lines(table):
    """Return the strongest detections as lines of text."""
    shown = table[[name for name in _COLUMNS if name in table.colnames]][:_ROWS]
    for name, decimals in _DECIMALS.items():
        if name in shown.colnames:
            shown[name].info.format = decimals
    lines = shown.pformat(max_lines=-1, max_width=-1, show_unit=True)
    if len(table) > _ROWS:
        lines.append(f"... and {len(table) - _ROWS} more; -o FILE writes them all")
    return lines


def _summary(records, detector, failed):
    """Return what ``--json`` prints."""
    return {
        "version": __version__,
        "model": detector.weights.name,
        "backend": detector.backend.name,
        "failed": failed,
        "fields": records,
    }


def _one_line(error):
    """Return the message of an error without line breaks and error numbers."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(by_options(error).split()) or type(error).__name__


def _is_interactive(options):
    """Say whether a person watches."""
    return not options.quiet and not options.json and sys.stderr.isatty()


@contextmanager
def _warnings_named(name, progress, *, quiet):
    """Print warnings as one line each, with the field that they are about."""

    def show(message, *_):
        progress.clear()
        complain(f"{name}: warning: {_one_line(message)}")

    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore")
        else:
            warnings.simplefilter("always", AstroYoloWarning)
            # zero galaxies stand in the field's own line
            warnings.simplefilter("ignore", NoDetectionsWarning)
        warnings.showwarning = show
        yield


class _Progress:
    """A bar over the fields on standard error, on a terminal only."""

    _WIDTH = 24

    def __init__(self, total, *, visible):
        self._total, self._visible = total, visible and total > 1

    def show(self, number, name):
        """Draw the bar: this field is being done."""
        if self._visible:
            done = self._WIDTH * (number - 1) // self._total
            bar = "=" * done + "." * (self._WIDTH - done)
            sys.stderr.write(f"\r\x1b[K[{bar}] {number}/{self._total} {name}")
            sys.stderr.flush()

    def clear(self):
        """Take the bar away before a line is printed."""
        if self._visible:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
