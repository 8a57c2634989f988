"""The command ``astro-yolo ds9``: detections in an open SAOImage DS9, and back."""

import argparse
import warnings
from pathlib import Path

from astro_yolo._cli_command import (
    add_command,
    check_tables,
    guarded,
    located,
    refuse_existing,
    refuse_inputs,
)

__all__ = ["add_parser"]

_EXAMPLES = """
examples:
  astro-yolo ds9 detect
      find the galaxies in the frame that DS9 shows, and draw them there
  astro-yolo ds9 push galaxies.ecsv --min-score 0.5
  astro-yolo ds9 pull -o edited.ecsv
  astro-yolo ds9 diff galaxies.ecsv
  astro-yolo ds9 review galaxies.ecsv --out judged --labels myset
      judge detections one by one with a key each; stop and go on as you like
  astro-yolo ds9 install-menu
      the same from DS9's Analysis menu; DS9 reads it when it starts

DS9 must be running. With several of them name one: --xpa TITLE.
exit status: 0 done, 1 something failed, 2 when the command itself is wrong.
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
        commands, "ds9", "detections in an open DS9, and back", _EXAMPLES,
        description="Detections in an open SAOImage DS9, and back.",
    )  # fmt: skip
    parser.add_argument("--xpa", metavar="TITLE", help="title or address of the DS9")
    parser.add_argument("--backend", choices=("auto", "pyds9", "xpa"), default="auto",
                        help="how to talk to it (%(default)s)")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S",
                        help="for one call (%(default)s)")
    parser.add_argument("--quiet", action="store_true", help="say nothing that DS9 shows by itself")
    steps = parser.add_subparsers(required=True, metavar="STEP")
    _add_push(_step(steps, "push", "draw a table of detections", _push))
    _add_pull(_step(steps, "pull", "write the regions of a frame as a table", _pull))
    diff = _step(steps, "diff", "say what was changed since a table was pushed", _diff)
    diff.add_argument("table", help="what was pushed")
    diff.add_argument("-o", "--output", metavar="FILE", help="write the changes")
    diff.add_argument("--overwrite", action="store_true", help="replace an existing file")
    _add_detect(_step(steps, "detect", "find the galaxies of the frame and draw them", _detect))
    match = _step(steps, "match", "colour the regions by whether a catalogue has them", _match)
    match.add_argument("catalog", type=_path, help="any table with positions that Astropy reads")
    match.add_argument("--radius", type=float, default=2.0, metavar="ARCSEC",
                       help="largest separation (%(default)s)")
    match.add_argument("--unit", help="of positions whose columns have no unit (deg for ra and "
                       "dec; others must have one)")
    _add_review(_step(steps, "review", "judge detections one by one", _review))
    _step(steps, "remove", "take the regions away that this program drew", _remove)
    for name, text in (("install-menu", "add entries to DS9's Analysis menu"),
                       ("uninstall-menu", "take them away again")):
        menu = _step(steps, name, text, _install if name == "install-menu" else _uninstall)
        menu.add_argument("--path", metavar="FILE", help="analysis file (~/.ds9.ans)")


def _step(steps, name, text, work):
    """Return the parser of a step."""
    step = add_command(steps, name, text)
    if "menu" not in name:
        step.add_argument("--frame", type=int, metavar="N", help="frame (the current one)")
    step.set_defaults(run=guarded(work))
    return step


def _add_push(step):
    step.add_argument("table", help="table of detections")
    step.add_argument("--shape", choices=("ellipse", "box", "circle", "polygon"),
                      default="ellipse", help="(%(default)s)")
    step.add_argument("--text", default="auto", metavar="FORMAT",
                      help="beside each: a format of columns, or none")
    step.add_argument("--min-score", type=float, metavar="P", help="leave out lower scores")
    step.add_argument("--coords", choices=("image", "icrs"), help="pixels or sky (what fits)")
    step.add_argument("--keep", action="store_true", help="keep what was pushed before")


def _add_pull(step):
    step.add_argument("-o", "--output", required=True, type=_path, metavar="FILE",
                      help="table to write")
    step.add_argument("--ours", action="store_true", help="only what this program drew")
    step.add_argument("--overwrite", action="store_true", help="replace an existing file")


def _path(text):
    """Return a path that was typed into a dialog of DS9, where no shell expands it."""
    if not text:
        raise argparse.ArgumentTypeError("must be the name of a file, got nothing")
    return Path(text).expanduser()


def _add_detect(step):
    step.add_argument("--model", default="default", help="weights (%(default)s)")
    step.add_argument("--score", type=float, metavar="P", help="smallest score")
    step.add_argument("-o", "--output", metavar="FILE", help="write the table as well")
    step.add_argument("--overwrite", action="store_true", help="replace an existing file")


def _add_review(step):
    step.add_argument("table", help="table of detections of the image that DS9 shows")
    step.add_argument("--order", default="uncertainty", metavar="BY",
                      help="uncertainty, score, class or a column (%(default)s)")
    step.add_argument("--journal", metavar="FILE", help="decisions (TABLE.review.jsonl)")
    step.add_argument("--out", metavar="STEM", help="write STEM.ecsv and STEM.reg at the end")
    step.add_argument("--labels", metavar="FOLDER", help="add image and labels to this YOLO set")
    step.add_argument("--name", help="of the image in the set (that of the table)")
    step.add_argument("--split", choices=("train", "val"), default="train", help="(%(default)s)")
    step.add_argument("--stretch", default="LH", help="of the picture in the set (%(default)s)")
    step.add_argument("--overwrite", action="store_true", help="replace existing files")


def _bridge(options):
    """Return the connection to the DS9 that is meant."""
    from astro_yolo.ds9 import DS9Bridge

    return DS9Bridge(options.xpa, backend=options.backend, timeout=options.timeout)


def _check_output(bridge, options):
    """Refuse, before the work, a table that could not be written or would replace an image."""
    check_tables([options.output])
    if options.output and Path(options.output).exists():
        refuse_inputs([options.output], _shown(bridge))
    refuse_existing([options.output], overwrite=options.overwrite)


def _shown(bridge):
    """Return the files that DS9 shows, of all frames and colours."""
    files, now = set(), bridge.get("frame")
    for number in bridge.frames():
        bridge.set(f"frame {number}")
        channel = bridge.get("rgb channel")  # a frame of one colour has one too, and one file
        for color in ("red", "green", "blue"):
            bridge.set(f"rgb {color}")
            files.add(bridge.get("file").partition("[")[0])
        bridge.set(f"rgb {channel}")
    if now:
        bridge.set(f"frame {now}")
    return files - {""}


def _push(options):
    """Draw a table."""
    from astro_yolo.catalog import read_table

    table = read_table(options.table)
    text = None if options.text == "none" else options.text
    _bridge(options).push(
        table, shape=options.shape, text=text, min_score=options.min_score, frame=options.frame,
        coords=options.coords, replace=not options.keep,
    )  # fmt: skip


def _pull(options):
    """Write the regions."""
    from astro_yolo.catalog import write_table

    bridge = _bridge(options)
    _check_output(bridge, options)
    table = bridge.pull(frame=options.frame)
    if options.ours:
        table = table[table["ours"]]
    write_table(table, options.output, overwrite=options.overwrite)
    print(f"{len(table)} regions written to {Path(options.output).absolute()}")


def _diff(options):
    """Print and write the changes."""
    from collections import Counter

    from astro_yolo.catalog import read_table, write_table

    bridge = _bridge(options)
    _check_output(bridge, options)
    changes = bridge.diff(read_table(options.table), frame=options.frame)
    for word, count in sorted(Counter(changes["change"].tolist()).items()):
        print(f"{word:12} {count}")
    if options.output:
        write_table(changes, options.output, overwrite=options.overwrite)


def _detect(options):
    """Find the galaxies of what the frame shows."""
    from astro_yolo import detect
    from astro_yolo.catalog import write_table
    from astro_yolo.ds9._grid import image_of
    from astro_yolo.exceptions import NoDetectionsWarning

    bridge = _bridge(options)
    _check_output(bridge, options)
    image = image_of(bridge.read(frame=options.frame))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        table = detect(image, model=options.model, score=options.score)
    bridge.push(table, frame=options.frame, coords="image")
    if options.output:
        write_table(table, options.output, overwrite=options.overwrite)
    if not len(table):
        print("no galaxies were found")
    elif not options.quiet:
        print(f"{len(table)} galaxies")


def _match(options):
    """Colour the regions green where a catalogue has the object, and magenta elsewhere."""
    import astropy.units as u
    import numpy as np

    from astro_yolo import crossmatch

    bridge = _bridge(options)
    table = bridge.pull(frame=options.frame)
    table = table[table["ours"]]
    catalog = located(options.catalog, "catalog", options.unit)
    found = crossmatch(table, catalog, options.radius * u.arcsec)
    matched = {int(number) for number in np.asarray(found.matched["id"])}
    bridge.recolor(matched, "#00ff66", frame=options.frame)
    bridge.recolor({int(number) for number in table["id"]} - matched, "#ff33cc",
                   frame=options.frame)  # fmt: skip
    print(f"{len(matched)} of {len(table)} regions have a partner within {options.radius:g} arcsec"
          " (green); the others are magenta")  # fmt: skip


def _review(options):
    """Ask about detections until all are decided, or the person stops."""
    from astro_yolo.catalog import read_table
    from astro_yolo.ds9._grid import image_of
    from astro_yolo.ds9.label_set import check_set, write_labels, write_reviewed
    from astro_yolo.ds9.review import Review
    from astro_yolo.ds9.reviewing import ReviewLoop, from_all, keys_of_ds9, keys_of_terminal

    path = Path(options.table)
    written = [f"{options.out}{ending}" for ending in (".ecsv", ".reg") if options.out]
    refuse_inputs(written, [path])
    refuse_existing(written, overwrite=options.overwrite)
    if options.labels:
        check_set(options.labels)  # before hours of work
    table = read_table(path)
    bridge = _bridge(options)
    review = Review(table, options.journal or f"{path}.review.jsonl",
                    order=options.order)  # fmt: skip
    if options.frame is not None:
        bridge._require_frame(options.frame)  # noqa: SLF001 - DS9 would make it
        bridge.set(f"frame {options.frame}")
    loop = ReviewLoop(bridge, review)
    with keys_of_ds9(bridge) as pressed:
        loop.run(from_all([pressed, keys_of_terminal()], bridge))
    print(f"{review.left} of {len(table)} detections are not decided yet")
    table = review.result()
    if options.out:
        for written in write_reviewed(table, options.out, overwrite=options.overwrite):
            print(written)
    if options.labels:
        print(write_labels(
            table, image_of(bridge.read(frame=options.frame)), options.labels,
            options.name or path.stem, split=options.split, stretch=options.stretch,
            overwrite=options.overwrite,
        ))  # fmt: skip


def _remove(options):
    """Take our regions away."""
    _bridge(options).remove(frame=options.frame)


def _install(options):
    """Write the entries of the menu."""
    from astro_yolo.ds9 import install_menu

    print(f"{install_menu(options.path)}: start DS9 anew to see Analysis > astro-yolo")


def _uninstall(options):
    """Take the entries away."""
    from astro_yolo.ds9 import uninstall_menu

    print("entries taken away" if uninstall_menu(options.path) else "there were no entries")
