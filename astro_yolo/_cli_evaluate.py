"""The commands ``astro-yolo train``, ``evaluate``, ``matrix`` and ``report``."""

from pathlib import Path

from astro_yolo._cli_command import (
    CommandError,
    add_command,
    check_ecsv,
    guarded,
    refuse_inputs,
)

__all__ = ["add_parsers"]

_EXAMPLES = """
examples:
  astro-yolo train T2 -o runs/T2 --model yolo11n.yaml --image-size 1024
      train on the set in T2, and write the weights runs/T2/T2.onnx
  astro-yolo train T2 -o runs/T2 --model yolo11n.yaml --image-size 1024 --resume
      the same after a kill: it goes on with the last whole epoch
  astro-yolo detect g.fits r.fits i.fits --model runs/T2/T2.onnx -o galaxies.ecsv
  astro-yolo evaluate runs/T2/T2.onnx T4 --stretch LH -o evaluations/T2-LH
      score the pictures of set T4 that are stretched by LH
  astro-yolo matrix T2=runs/T2/T2.onnx T4=runs/T4/T4.onnx --on T4 --on hubble -o matrix.ecsv
      both networks on set T4, each of its five stretches by itself, and on set hubble
  astro-yolo report evaluations/* --run T2=runs/T2 --run T4=runs/T4 --matrix matrix.ecsv -o report
      one page with curves, tables and galleries: report/report.html

Training needs the extra "train"; ultralytics' network access and usage reports are off.
exit status: 0 done, 1 something failed, 2 when the command itself is wrong.
"""


def add_parsers(commands):
    """
    Add the commands to the sub-parsers of the main one.

    Parameters
    ----------
    commands : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    for add, name, text in (
        (_add_train, "train", "train a YOLO network on a detection set"),
        (_add_evaluate, "evaluate", "score a network on a detection set"),
        (_add_matrix, "matrix", "score several networks on several sets and stretches"),
        (_add_report, "report", "make one page of trainings and evaluations"),
    ):
        add(add_command(commands, name, text, _EXAMPLES))


def _add_train(command):
    command.add_argument("data", metavar="SET", help="data.yaml, or the folder that holds it")
    command.add_argument("-o", "--out", required=True, metavar="FOLDER", help="of the run")
    command.add_argument("--recipe", metavar="T1-T6", help="the set must be of this recipe")
    command.add_argument("--model", default="yolo11n.yaml", metavar="YAML",
                         help="yolo11n to yolo11m, yolo26n to yolo26m, yolov3, yolov3-tiny (.yaml) "
                         "or a file of your own (%(default)s)")  # fmt: skip
    for name, kind, default, text in (
        ("epochs", int, 100, "passes over the set"),
        ("batch", int, 16, "pictures a step"),
        ("image-size", int, 640, "longer side of the input, pixels"),
        ("learning-rate", float, 2e-3, "the highest"),
        ("patience", int, 20, "epochs without progress after which it stops"),
        ("mosaic", float, 1.0, "share of pictures joined of four"),
        ("seed", int, 20261124, "of the random numbers"),
    ):
        command.add_argument(f"--{name}", type=kind, default=default, help=f"{text} (%(default)s)")
    command.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    command.add_argument("--threads", type=int, help="of the CPU (all)")
    command.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    command.add_argument("--stretch", help="of the pictures, where the set does not say it")
    command.add_argument("--name", help="of the weights (that of the folder)")
    command.add_argument("--version", default="1", help="of the weights (%(default)s)")
    command.set_defaults(run=guarded(_train))


def _add_evaluate(command):
    command.add_argument("model", help="name of weights in the package, or an .onnx file")
    command.add_argument("data", metavar="SET", help="data.yaml, or the folder that holds it")
    command.add_argument("-o", "--out", required=True, metavar="FOLDER", help="where to write")
    command.add_argument("--split", default="val", help="train, val or test (%(default)s)")
    command.add_argument("--stretch", help="only pictures of this stretch")
    command.add_argument("--device", help="cpu or cuda")
    command.add_argument("--overwrite", action="store_true", help="replace an evaluation")
    command.set_defaults(run=guarded(_evaluate))


def _add_matrix(command):
    command.add_argument("models", nargs="+", metavar="NAME=MODEL",
                         help="what a network was trained on, and its weights")  # fmt: skip
    command.add_argument("--on", action="append", required=True, metavar="SET", dest="sets",
                         help="data.yaml or its folder, tested in each of its stretches; "
                         "may be repeated")  # fmt: skip
    command.add_argument("-o", "--output", required=True, metavar="FILE", help="table, .ecsv")
    command.add_argument("--split", default="val", help="train, val or test (%(default)s)")
    command.add_argument("--overwrite", action="store_true", help="replace an existing table")
    command.set_defaults(run=guarded(_matrix))


def _add_report(command):
    command.add_argument("evaluations", nargs="*", metavar="FOLDER", help="of astro-yolo evaluate")
    command.add_argument("--run", action="append", default=[], metavar="NAME=FOLDER", dest="runs",
                         help="curves of a training; may be repeated")  # fmt: skip
    command.add_argument("--matrix", metavar="FILE",
                         help="table with the columns trained and tested")  # fmt: skip
    command.add_argument("-o", "--out", required=True, metavar="FOLDER", help="where to write")
    command.add_argument("--title", default="", help="of the page")
    command.add_argument("--draws", type=int, default=200, help="of the bootstrap (%(default)s)")
    command.add_argument("--overwrite", action="store_true", help="replace a report")
    command.set_defaults(run=guarded(_report))


def _train(options):
    """Train, export, calibrate on the validation split, and say where the weights are."""
    import json

    from astro_yolo._files import replacing
    from astro_yolo.network.weights import load_weights
    from astro_yolo.training.export_stock import outputs_of
    from astro_yolo.training.finish import finish_weights
    from astro_yolo.training.picture_sets import read_set, stretch_of
    from astro_yolo.training.recipes import RecipeError, find_recipe
    from astro_yolo.training.stock import STATES, StockRecipe, train_stock

    pictures = read_set(options.data)
    if options.recipe:
        recipe = find_recipe(options.recipe)
        boxes = recipe.selection.box_radii, recipe.selection.min_side
        if pictures.recipe != recipe.name or (pictures.boxes or boxes) != boxes:
            made = " of other boxes" if pictures.recipe == recipe.name else ""
            msg = f"recipe: the set {options.data} is of {pictures.recipe or 'none'}{made}, not "
            raise RecipeError(msg + recipe.name)
    stretch = stretch_of(pictures, options.stretch)
    outputs_of(pictures.names)  # before hours of training
    fields = StockRecipe.__dataclass_fields__
    recipe = StockRecipe(**{k: v for k, v in vars(options).items() if k in fields})
    out = Path(options.out)
    name = options.name or out.resolve().name
    if Path(name).name != name:  # before them as well
        msg = f"--name must be a name without a folder, got {name!r}"
        raise CommandError(msg)
    if f"{name}.json" in STATES:  # the line of the registry would replace it
        msg = f"--name must be another name than that of the folder {out}, got {name!r}"
        raise CommandError(msg)
    weights = out / f"{name}.onnx"
    if weights.exists() and not options.resume:
        msg = f"out must not hold weights of this name, and {weights} exists already: "
        raise FileExistsError(f"{msg}name another folder, or --resume the run in it")
    if weights.exists() and (before := load_weights(weights).stretch) != stretch:
        msg = f"--stretch must be that of the weights {weights}, {before}, got {stretch}"
        raise CommandError(msg)
    best = train_stock(
        pictures.marker, out, recipe, device=options.device, threads=options.threads,
        resume=options.resume, progress=True,
    )  # fmt: skip
    path, line = finish_weights(
        best, weights, pictures, recipe, stretch=stretch, name=name,
        version=options.version, overwrite=options.resume,
    )  # fmt: skip
    with replacing(path.with_suffix(".json"), overwrite=True) as part:
        part.write_text(json.dumps({name: line}, indent=1) + "\n", encoding="utf-8")
    print(path)


def _evaluate(options):
    """Score a network, write what it found, and print the headline."""
    from astro_yolo.training.scoring import evaluate_set, evaluation_files, write_evaluation
    from astro_yolo.training.summary import headline

    folder = Path(options.out)
    if (there := evaluation_files(folder)) and not options.overwrite:  # before hours of scoring
        msg = f"{folder} holds {', '.join(there)} already; --overwrite replaces it"
        raise FileExistsError(msg)
    found = evaluate_set(
        options.model, options.data, split=options.split, stretch=options.stretch,
        device=options.device, progress=True, parts=folder,
    )  # fmt: skip
    write_evaluation(found, folder, overwrite=options.overwrite)
    numbers = headline(list(found.pictures), len(found.names), threshold=found.about["threshold"])
    for name, value in numbers.items():
        print(f"{name:18} {value:.4f}")


def _matrix(options):
    """Score every network on every stretch of every set."""
    from astro_yolo._files import replacing
    from astro_yolo.training.picture_sets import read_set
    from astro_yolo.training.robustness import cross_matrix

    models = _unique(map(_named, options.models), "NAME=MODEL")
    sets = {pictures.marker: pictures for pictures in map(read_set, options.sets)}
    # a set may have been named by its folder, which its marker stands in
    refuse_inputs([options.output], [*models.values(), *options.sets, *sets])
    check_ecsv(options.output)
    folders = _short_names([marker.parent for marker in sets])
    found = []
    for marker, pictures in sets.items():
        several = pictures.filters if len(pictures.filters) > 1 else (None,)
        for stretch in several:
            name = " ".join(filter(None, (folders[marker.parent], stretch)))
            found.append((name, (marker, stretch)))
    tests = _unique(found, "--on")
    with replacing(options.output, overwrite=options.overwrite) as part:
        table = cross_matrix(models, tests, split=options.split, progress=True)
        table.write(part, format="ascii.ecsv", delimiter=",")
    for line in table["trained", "tested", "objects", "astrocv_recall", "ap50", "f1"].pformat():
        print(line)


def _named(text):
    """Return the name before "=", by default that of the file or folder, and what is behind."""
    name, mark, path = text.partition("=")
    if not mark or Path(text).exists():  # folders may have a "=" in their names
        return _own_name(text), text
    return name or _own_name(path), path


def _own_name(path):
    """Return the name of a file without its ending, or of a folder, which has none."""
    return Path(path).resolve().name if Path(path).is_dir() else Path(path).stem


def _unique(pairs, what):
    """Return pairs as a dict; of two with one name, one would be left out."""
    found = {}
    for name, value in pairs:
        if name in found:
            msg = f"{what} must have different names, got {name!r} twice"
            raise CommandError(msg)
        found[name] = value
    return found


def _short_names(folders):
    """Return a name for each folder: its own, with those above where others have the same."""
    paths = {folder: Path(folder).absolute().parts for folder in folders}
    every, names = set(paths.values()), {}
    for folder, parts in paths.items():
        names[folder] = next(
            "/".join(parts[-k:]) for k in range(1, len(parts) + 1)
            if sum(other[-k:] == parts[-k:] for other in every) == 1
        )  # fmt: skip
    return names


def _matrix_of(path):
    """Read the table of ``astro-yolo matrix``."""
    from astropy.table import Table

    try:
        return Table.read(path, format="ascii.ecsv")
    except ValueError as error:
        msg = f"--matrix must be a table of astro-yolo matrix, got {path}: {error}"
        raise ValueError(msg) from error


def _report(options):
    """Write the page."""
    from astro_yolo.training.report import read_results, write_report
    from astro_yolo.training.scoring import read_evaluation

    named = _unique(map(_named, options.runs), "--run")
    runs = {name: read_results(folder) for name, folder in named.items()}
    names = _short_names(options.evaluations)
    evaluations = {name: read_evaluation(folder) for folder, name in names.items()}
    matrix = _matrix_of(options.matrix) if options.matrix else None
    print(write_report(options.out, evaluations, runs, matrix=matrix, title=options.title,
                       draws=options.draws, overwrite=options.overwrite))  # fmt: skip
