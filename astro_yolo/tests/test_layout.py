"""The layout that the modules promise each other."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import astro_yolo

# A module imports only from modules that stand before it here. A package's own line is its
# __init__.py; the root's is exempt, as it imports nothing until a name is used.
LAYERS = (
    # 0: arrays, errors, settings
    ("exceptions", "config", "boxes", "filters", "_display_curves", "stretch", "_rounding",
     "tiling", "centering", "_stamp_inputs", "injection", "_sphere", "_files", "_environment"),
    # 1: Astropy in, Astropy out: images, then tables, then regions and pictures
    ("_bands", "_zero_point", "_wcs_cards", "_headers", "_no_data", "_planes", "_fits_scan",
     "_fits_input", "_picture_input", "_inputs", "_mapping", "_alignment", "image",
     "_image_units"),
    ("_column_values", "_columns", "_sky", "_votable", "_table_files", "catalog"),
    ("_region_colors", "region_text", "region_parser", "_picture", "overlays"),
    ("_apertures", "_foreign_light", "_sersic", "_shape_of_light", "_measure_source",
     "_table_grid", "measuring"),
    # 2: the network
    ("network", "network.priors", "network.calibration", "network._onnx_file",
     "network._neighbours", "network.spread", "network._profiles", "network.singles",
     "network.picture_spread", "network.closer_look", "network.pictures", "network.blanked",
     "network._weight_checks", "network.weights",
     "network._backend", "network.stamps", "network.types",
     "network.openvino_backend", "network.ultralytics_backend", "network.backends"),
    # 3: detection
    ("_progress_bar", "_changed_image", "_giants", "_local_sky", "_sampling", "_flatness", "_scan",
     "_loaded", "detection"),
    # 4: what uses detections
    ("_angle_text", "_catalog_files", "_match_inputs", "matching", "comparison",
     "_star_stack", "_model_galaxies", "_limits", "_completeness_result", "recovery"),
    ("training", "training._progress", "training.transfer", "training.sdss", "training.download",
     "training.galaxy_zoo", "training.queries", "training.recipes", "training.sky_splits",
     "training._frame_labels", "training.yolo_files", "training.export_sets", "training.labels",
     "training.cutouts", "training.turned", "training.drawn_cutouts",
     "training.giants", "training.fields", "training.artefacts",
     "training.samples", "training.network_input", "training.model_objects",
     "training.saturated_stars", "training.model_sky",
     "training.resolved", "training.compose", "training.bright", "training.glows",
     "training.other_surveys",
     "training._deep_objects", "training.deep", "training.crowded",
     "training.evaluate", "training.second_opinion",
     "training.dataset", "training.picture_sets", "training.scored", "training.metrics",
     "training._typed_loss", "training._widen", "training._warm_start", "training._trainer",
     "training._type_samples", "training._type_variation", "training._type_start",
     "training._steps", "training._further", "training.further",
     "training._type_network", "training.train", "training._graph", "training.export",
     "training.types", "training.score_maps", "training.mock_skies",
     "training.ship",
     "training.__main__",
     "training._stock_trainer", "training.stock", "training.export_stock",
     "training._scored_parts", "training.scoring",
     "training.finish", "training.summary", "training.robustness", "training._figures",
     "training._gallery", "training.report"),
    ("ds9._transport", "ds9.diff", "ds9._fits_bytes", "ds9._grid", "ds9._display", "ds9.bridge",
     "ds9.launcher", "ds9.menu", "ds9", "ds9.review", "ds9.label_set", "ds9.reviewing"),
    ("_service_region", "_service_queries", "services"),
    ("samp", "sky_coverage"),
    ("_simulated_sources", "simulation", "_cli_command", "_cli_fields", "_cli_detect", "demo",
     "_cli_arguments", "_cli_match", "_cli_measure", "_cli_completeness", "_cli_share",
     "_cli_training", "_cli_evaluate", "_cli_ds9", "cli", "__main__"),
)
ORDER = [name for layer in LAYERS for name in layer]

HEAVY = ("torch", "torchvision", "ultralytics", "matplotlib", "astroquery", "openvino")
NOT_AT_IMPORT = (*HEAVY, "cv2", "onnxruntime", "photutils", "scipy", "regions")

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

PACKAGE = Path(astro_yolo.__file__).parent
SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "_version.py")


def module_name(path):
    """Dotted name of a file below the package; the root is the empty name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for path in SOURCES
    if "tests" not in path.parts and path.name != "conftest.py" and path.parent.name != "tests"
}
RANKED = sorted(name for name in MODULES if name)


def base_package(path, node):
    """Dotted name that an import statement starts from, or None if it is outside the package."""
    if node.level == 0:
        root, _, rest = (node.module or "").partition(".")
        return rest if root == "astro_yolo" else None
    folder = path.parent
    for _ in range(node.level - 1):
        folder = folder.parent
    parent = ".".join(folder.relative_to(PACKAGE).parts)
    return ".".join(part for part in (parent, node.module) if part)


def from_targets(path, node):
    """Names of the package's modules that one ``from ... import ...`` brings in."""
    base = base_package(path, node)
    if base is None:
        return
    for alias in node.names:
        full = f"{base}.{alias.name}" if base else alias.name
        if full in MODULES:
            yield full
        elif base:
            yield base
        elif alias.name != "__version__":
            yield astro_yolo._HOMES[alias.name]


def imported_modules(path):
    """Names of the package's modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from from_targets(path, node)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                root, _, rest = alias.name.partition(".")
                if root == "astro_yolo" and rest:
                    yield rest


def function_lines(node):
    """Lines of a function without its docstring."""
    lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is None:
        return lines
    text = node.body[0]
    return lines - (text.end_lineno - text.lineno + 1)


def test_every_module_has_a_place():
    """A new module is entered in the table, and a removed one is taken out."""
    assert sorted(ORDER) == RANKED


@pytest.mark.parametrize("name", RANKED)
def test_imports_go_one_way(name):
    """A module imports only what stands before it in the table."""
    allowed = {*ORDER[: ORDER.index(name)], name}
    assert set(imported_modules(MODULES[name])) <= allowed


@pytest.mark.parametrize("name", [name for name in RANKED if "._" not in f".{name}"])
def test_public_modules_list_their_names(name):
    """Every module that defines something public says in ``__all__`` what is public."""
    body = ast.parse(MODULES[name].read_text(encoding="utf-8")).body
    names = {t.id for n in body if isinstance(n, ast.Assign) for t in n.targets
             if isinstance(t, ast.Name)}
    defines = any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in body)
    assert "__all__" in names or not defines


@pytest.mark.parametrize("name", astro_yolo.__all__)
def test_public_names_exist(name):
    """Every name that the package offers can be had."""
    assert getattr(astro_yolo, name) is not None
    assert name in dir(astro_yolo)


def test_unknown_name_is_an_attribute_error():
    """A name that the package does not have raises what a module raises."""
    with pytest.raises(AttributeError, match="has no attribute 'galaxies'"):
        _ = astro_yolo.galaxies


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("astro_yolo", NOT_AT_IMPORT),
        ("astro_yolo.detection", HEAVY),
        ("astro_yolo.cli", HEAVY),
    ],
)
def test_import_is_cheap(module, unwanted):
    """Importing the package loads no heavy library; detection and the CLI load no torch."""
    code = f"import sys, {module}; print([m for m in {unwanted!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        stdin=subprocess.DEVNULL, cwd=PACKAGE.parent,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_and_functions_are_short(path):
    """A file stays under 400 lines and a function, its docstring aside, under 60."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    functions = [
        n for n in ast.walk(ast.parse(text))
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [f.name for f in functions if function_lines(f) > MAX_FUNCTION_LINES] == []


def text_files():
    """Files of the package, and of the repository round it if there is one."""
    files = list(SOURCES)
    root = PACKAGE.parent
    if (root / "setup.cfg").is_file():
        files += [p for p in root.iterdir() if p.is_file() and p.suffix != ".png"]
        for folder in ("benchmarks", "changes", "docs", "licenses", ".ci"):
            files += [p for p in (root / folder).rglob("*") if p.is_file()]
    binary = {".png", ".gz", ".fz", ".fits", ".onnx", ".pickle", ".doctree", ".inv"}
    return [p for p in files if p.suffix not in binary and "_build" not in p.parts]


def test_no_machine_is_named():
    """No file of the project holds a path or a package index of one particular machine."""
    personal = re.compile(r"(?<![\w.~)}])/(root|work|home|Users)/|index[-_]url|find[-_]links")
    found = []
    for path in text_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.name}: {m.group()}" for m in personal.finditer(text)
                  if path != Path(__file__)]
    assert found == []
