"""How good the detections are, against every target of the shipped model, on real data.

Run from the repository root: ``python benchmarks/accuracy.py``; ``--only coadd,stretches`` runs
some sections, ``--model FILE --score 0.4`` tries other weights, ``--json FILE`` keeps the numbers.
"""

import argparse
import importlib
import json
import time
import warnings
from pathlib import Path

from accuracy_sections.session import Session

#: Section, which is also its module's name, and what it measures.
SECTIONS = {
    "catalogue": "field 94-1-12 against the SDSS catalogue, beside SEP and SExtractor",
    "coadd": "field 94-1-12 against the Stripe 82 coadd, beside the survey's own catalogue",
    "calibration": "calibration error of the score on field 94-1-12",
    "stretches": "field 94-1-12 as an 8-bit picture in each stretch, and in single bands",
    "moved": "field 94-1-12 turned, mirrored and rescaled",
    "sky": "field 94-1-12 with a sky that is not flat, and in whole numbers",
    "cutouts": "Galaxy Zoo cutouts that were held out: recall, boxes, classes",
    "giants": "Galaxy Zoo cutouts enlarged: galaxies of more than a thousand pixels",
    "telescopes": "cutouts of other telescopes",
    "deepfield": "a deep field stretched, turned, lensed, with bright stars, under cluster light",
    "sheets": "sheets to judge by eye: deep field, cluster, nebula, large galaxies",
}
ROOT = Path(__file__).resolve().parents[1]


def parse_arguments(argv=None):
    """Read the command line."""
    sections = "\n".join(f"  {name:<12}{what}" for name, what in SECTIONS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"sections:\n{sections}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", help="sections, separated by commas")
    parser.add_argument("--model", default="default", help="weights: a name or a file")
    parser.add_argument("--types", help="network of types: a file, or none; default: the shipped")
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--score", type=float, help="threshold; default: that of the weights")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--out", type=Path, default=ROOT / ".tmp" / "accuracy",
                        help="folder for pictures (default .tmp/accuracy)")
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--cache", type=Path, default=ROOT / ".tmp" / "accuracy",
                        help="folder for the measured boxes of the cutouts")
    options = parser.parse_args(argv)
    options.only = options.only.split(",") if options.only else list(SECTIONS)
    unknown = [name for name in options.only if name not in SECTIONS]
    if unknown:
        parser.error(f"--only must name some of {', '.join(SECTIONS)}, got {', '.join(unknown)}")
    return options


def main(argv=None):
    """Run the sections and print what they measure."""
    options = parse_arguments(argv)
    warnings.simplefilter("ignore")  # of FITS headers in the old style, and of empty tables
    session = Session.start(options)
    results = {"run": session.header()}
    print("\n".join(f"{name}: {value}" for name, value in results["run"].items()))
    for name in options.only:
        print(f"\n== {name}: {SECTIONS[name]}")
        start = time.perf_counter()
        section = importlib.import_module(f"accuracy_sections.{name}")
        results[name] = section.run(session)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
        if options.json:  # after each section: a run that is stopped keeps what it has
            options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
