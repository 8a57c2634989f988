"""The command line ``astro-yolo``."""

import argparse
import os
import sys

from astro_yolo import __version__
from astro_yolo._cli_arguments import add_parser as add_detect_parser
from astro_yolo._cli_command import add_command, guarded
from astro_yolo._cli_completeness import add_parser as add_completeness_parser
from astro_yolo._cli_ds9 import add_parser as add_ds9_parser
from astro_yolo._cli_evaluate import add_parsers as add_evaluate_parsers
from astro_yolo._cli_match import add_parsers as add_match_parsers
from astro_yolo._cli_measure import add_parser as add_measure_parser
from astro_yolo._cli_share import add_parsers as add_share_parsers
from astro_yolo._cli_training import add_parser as add_sdss_parser

__all__ = ["main"]

_EXAMPLES = """
examples:
  astro-yolo demo
  astro-yolo detect g.fits r.fits i.fits -o galaxies.ecsv --regions galaxies.reg --png galaxies.png
  astro-yolo match galaxies.ecsv catalog.fits -o matched.ecsv
  astro-yolo detect --help
"""


def main(argv=None):
    """
    Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments without the name of the program; default: those of the process.

    Returns
    -------
    int
        Exit status: 0 done, 1 something failed, 2 the command is wrong, 130 interrupted.
    """
    parser = _parser()
    try:
        options = parser.parse_args(argv)
        return options.run(options)
    except KeyboardInterrupt:
        print("astro-yolo: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        # the reader of our output has gone, or its disk is full; nothing may be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            unnamed = error.errno is not None and error.filename is None
            place = "standard output: " if unnamed else ""
            print(f"astro-yolo: {place}{error}", file=sys.stderr)
        return 1


def _parser():
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="astro-yolo",
        description="Find and classify galaxies in astronomical images.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"astro-yolo {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_detect_parser(commands)
    add_measure_parser(commands)
    add_match_parsers(commands)
    add_completeness_parser(commands)
    add_share_parsers(commands)
    add_ds9_parser(commands)
    add_sdss_parser(commands)
    add_evaluate_parsers(commands)
    _add_demo(commands)
    return parser


def _add_demo(commands):
    """Add the command ``demo``."""
    demo = add_command(
        commands, "demo", "detect in the example that comes with the package",
        description="Detect in the simulated g, r, i field that comes with the package and write\n"
        "a table, DS9 regions and a picture. Works offline.",
    )  # fmt: skip
    demo.add_argument(
        "folder", nargs="?", default="astro-yolo-demo", help="where to write (%(default)s)"
    )
    demo.set_defaults(run=guarded(_run_demo))


def _run_demo(options):
    """Write the demo and say where it is."""
    from astro_yolo.demo import next_steps, write_demo

    print(next_steps(*write_demo(options.folder)))


if __name__ == "__main__":
    sys.exit(main())
