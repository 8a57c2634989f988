"""Train shipped weights, from those before them: ``python -m astro_yolo.training DATA OUT``."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from astro_yolo._files import replacing
from astro_yolo.training.fields import FIELDS, frame_paths
from astro_yolo.training.ship import DEFAULT, DETECTORS, make_weights

_STATE = "arguments.json"
_PLACES = (
    "galaxy_zoo/gz1_labels.csv", "galaxy_zoo/gz1_cutouts", "galaxy_zoo/other_surveys_labels.csv",
    "galaxy_zoo/other_surveys", "hst/stamps_f814w",
)  # fmt: skip


def main(argv=None):
    """
    Run the recipe of the shipped weights.

    Parameters
    ----------
    argv : list of str, optional
        Command line without the program's name.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(prog="python -m astro_yolo.training", description=__doc__)
    parser.add_argument("data", help="folder with sas/, galaxy_zoo/ and hst/")
    parser.add_argument("out", help="working folder; an interrupted run goes on from there")
    parser.add_argument("--name", choices=DETECTORS, default=DEFAULT, help="(%(default)s)")
    parser.add_argument("--epochs", type=int, help="other than the recipe's, as the next two")
    parser.add_argument("--field-samples", type=int)
    parser.add_argument("--cutout-samples", type=int)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args(argv)
    recipe = DETECTORS[args.name]
    samples = _with(recipe.dataset, args, ("field_samples", "cutout_samples"))
    training = _with(recipe.training, args, ("epochs",))
    state = {
        "name": args.name, "epochs": training.epochs, "field_samples": samples.field_samples,
        "cutout_samples": samples.cutout_samples,
    }  # fmt: skip
    if wrong := _lacking(args.data) or _begun_otherwise(args.out, state):
        parser.error(wrong)
    weights = make_weights(
        args.data, args.out, args.name, dataset=samples, training=training, device=args.device
    )
    print(weights)
    return 0


def _with(recipe, args, names):
    """Return a recipe with the numbers that were given."""
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return replace(recipe, **given)


def _lacking(data):
    """Return what is wrong where the data lack something that a step reads: hours later."""
    paths = [Path(data) / place for place in _PLACES]
    for name, rule in FIELDS.items():
        if rule.split != "test":
            paths += frame_paths(Path(data) / "sas", name).values()
    missing = next((path for path in paths if not path.exists()), None)
    if missing is None:
        return ""
    return f"data must hold {missing.relative_to(data).as_posix()}, which is not in {data}"


def _begun_otherwise(out, state):
    """Return what is wrong where the folder holds a run of other numbers, and note those of it."""
    path = Path(out) / _STATE
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else state
    before.setdefault("name", "astro-yolo-n6")  # the only one there once was
    other = ", ".join(name for name in state if before.get(name) != state[name])
    if other:
        rule = "out must be a new folder or one of the same run"
        return f"{rule}, and that in {out} was begun with another {other}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, overwrite=True) as part:
        part.write_text(json.dumps(state, indent=1), encoding="utf-8")
    return ""


if __name__ == "__main__":
    sys.exit(main())
