"""Time one real SDSS field: this package, source-extractor, SEP and photutils in one run.

Run from the repository root: ``python benchmarks/speed.py``. The frames of field 94-1-12 are
decompressed to plain FITS in a temporary folder first. This package reads three bands and
returns a classified table; the others read the r band and return a catalogue of sources with
Kron photometry. The rounds are interleaved, so that all see the same machine.
"""

import argparse
import bz2
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

THREADS = 2
# before the numerical libraries are loaded: they read these once
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = str(THREADS)

import numpy as np  # noqa: E402
import truth_94_1_12 as field  # noqa: E402
from accuracy_sections.peers import sextractor, sextractor_settings  # noqa: E402
from astropy.io import fits  # noqa: E402

DEBLENDS = find_spec("skimage") is not None  # photutils needs scikit-image to deblend
SEXTRACTOR_COLUMNS = (
    "NUMBER", "X_IMAGE", "Y_IMAGE", "ALPHA_J2000", "DELTA_J2000", "FLUX_AUTO", "FLUXERR_AUTO",
    "A_IMAGE", "B_IMAGE", "THETA_IMAGE", "FLUX_RADIUS", "CLASS_STAR", "FLAGS",
)  # fmt: skip
VERSIONS = ("astro-yolo", "numpy", "astropy", "onnxruntime", "openvino", "sep", "photutils")


def unpack(data, folder):
    """Decompress the frames of the field; return band -> plain FITS file."""
    plain = {}
    for band, packed in field.frame_paths(data).items():
        plain[band] = folder / packed.stem
        plain[band].write_bytes(bz2.decompress(packed.read_bytes()))
    return plain


def ours(paths, backend, model, precision="float32"):
    """Return a function that detects in the three bands with a loaded network."""
    from astro_yolo import Detector, conf

    with conf.set_temp("openvino_precision", precision):
        detector = Detector(model, backend=backend)
        detector.backend  # noqa: B018, it is loaded when it is asked for
    bands = {band: str(path) for band, path in paths.items()}
    return lambda: len(detector.detect(bands))


def cold_command(paths, folder, model, backend):
    """Return a function that runs the command line in a fresh process."""
    start = "import sys; from astro_yolo.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "detect"]
    command += [ *map(str, paths.values()), "-o", str(folder / "out.ecsv"), "--overwrite"]
    command += ["--quiet", "--model", model, "--backend", backend]
    return lambda: subprocess.run(command, check=True, capture_output=True).returncode


def source_extractor(path, folder):
    """Return a function that runs source-extractor on one band with its default settings."""
    program = sextractor()
    if program is None:
        return None
    share = sextractor_settings(program)
    (folder / "columns.param").write_text("\n".join(SEXTRACTOR_COLUMNS) + "\n")
    settings = {
        "PARAMETERS_NAME": folder / "columns.param",
        "FILTER_NAME": share / "default.conv",
        "STARNNW_NAME": share / "default.nnw",
        "CATALOG_NAME": folder / "sextractor.cat",
        "CATALOG_TYPE": "FITS_LDAC",
        "MAG_ZEROPOINT": "22.5",
        "PIXEL_SCALE": "0",
        "SEEING_FWHM": "1.3",
        "NTHREADS": str(THREADS),
        "VERBOSE_TYPE": "QUIET",
    }
    command = [program, str(path), "-c", str(share / "default.sex")]
    for name, value in settings.items():
        command += [f"-{name}", str(value)]

    def run():
        subprocess.run(command, check=True, capture_output=True)
        return folder / "sextractor.cat"

    return run


def sep_catalogue(path):
    """Return a function that measures one band with SEP; None where it is not installed."""
    if find_spec("sep") is None:
        return None
    import sep

    def run():
        image = fits.getdata(path).astype(np.float32)
        background = sep.Background(image)
        plane = image - background.back()
        found = sep.extract(plane, 1.5, err=background.globalrms)
        x, y, a, b = (found[name] for name in "xyab")
        theta = np.clip(found["theta"], -np.pi / 2, np.pi / 2)
        kron, _ = sep.kron_radius(plane, x, y, a, b, theta, 6.0)
        kron = np.clip(np.nan_to_num(kron, nan=3.5), 1.5, 10)
        flux, _, _ = sep.sum_ellipse(plane, x, y, a, b, theta, 2.5 * kron, subpix=1)
        sep.flux_radius(plane, x, y, 6 * a, 0.5, normflux=flux, subpix=5)
        return len(found)

    return run


def photutils_catalogue(path):
    """Return a function that measures one band with photutils, deblended where it can."""
    from astropy.convolution import convolve
    from photutils.background import Background2D
    from photutils.segmentation import (
        SourceCatalog,
        deblend_sources,
        detect_sources,
        make_2dgaussian_kernel,
    )

    def run():
        image = fits.getdata(path).astype(np.float32)
        background = Background2D(image, 64, filter_size=3)
        plane = image - background.background
        smooth = convolve(plane, make_2dgaussian_kernel(3.0, size=5))
        segments = detect_sources(smooth, 1.5 * background.background_rms, 5)
        if DEBLENDS:
            segments = deblend_sources(smooth, segments, 5, progress_bar=False)
        catalogue = SourceCatalog(plane, segments, convolved_data=smooth)
        return len(catalogue.kron_flux)

    return run


def agreement(paths, model):
    """Print by how much OpenVINO's raw candidates differ from ONNX Runtime's on the field."""
    from astro_yolo import conf, read_image
    from astro_yolo.network.backends import load_backend
    from astro_yolo.network.weights import load_weights
    from astro_yolo.stretch import to_network

    weights, image = load_weights(model), read_image([str(path) for path in paths.values()])
    ny, nx = (side // weights.stride * weights.stride for side in image.shape)
    batch = to_network(image.data, image.mask)[None, :, :ny, :nx].copy()
    expected = load_backend(weights, "onnxruntime", "cpu").run(batch).copy()
    near = expected[[9, 10]].max(axis=0) > 0.1  # star or galaxy
    for precision in ("float32", "bfloat16"):
        with conf.set_temp("openvino_precision", precision):
            off = (load_backend(weights, "openvino").run(batch) - expected)[:, near]
        edges = np.abs([off[:2] - off[2:4] / 2, off[:2] + off[2:4] / 2]).max()
        print(f"OpenVINO in {precision} against ONNX Runtime: scores within "
              f"{np.abs(off[4:]).max():.4f}, edges within {edges:.3f} pixels, of {near.sum()} "
              "candidates")


def backends():
    """Return the backends that are installed."""
    return [name for name in ("onnxruntime", "openvino") if find_spec(name)]


def programs(options, paths, folder):
    """Return name -> (function, number of rounds) of everything that can run here."""
    jobs = {}
    if not options.others_only:
        for backend in backends():
            jobs[f"astro-yolo, {backend}, warm"] = (ours(paths, backend, options.model), options.n)
        if find_spec("openvino"):
            fast = ours(paths, "openvino", options.model, "bfloat16")
            jobs["astro-yolo, openvino in bfloat16, warm"] = (fast, options.n)
        for backend in backends():
            cold = cold_command(paths, folder, options.model, backend)
            jobs[f"astro-yolo, {backend}, cold command"] = (cold, options.cold)
    jobs["source-extractor"] = (source_extractor(paths["r"], folder), options.n)
    jobs["SEP"] = (sep_catalogue(paths["r"]), options.n)
    name = "photutils" if DEBLENDS else "photutils, not deblended"
    jobs[name] = (photutils_catalogue(paths["r"]), options.slow)
    return {name: job for name, job in jobs.items() if job[0] is not None and job[1] > 0}


def measure(jobs):
    """Run the rounds in turn; return name -> seconds of every round but the first."""
    times = {name: [] for name in jobs}
    for name, (function, _) in jobs.items():
        print(f"  {name}: {_count(function())}")
    for turn in range(max(rounds for _, rounds in jobs.values())):
        for name, (function, rounds) in jobs.items():
            if turn < rounds:
                start = time.perf_counter()
                function()
                times[name].append(time.perf_counter() - start)
    return times


def _count(result):
    """Say what a first run gave."""
    if isinstance(result, Path):
        result = len(fits.getdata(result, 2))
    return "ran" if result == 0 else f"{result} objects"


def print_times(times):
    """Print median and minimum of each, and the ratio of the medians to source-extractor."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = medians.get("source-extractor")
    print(f"\n{'':34} {'median ms':>10} {'min ms':>8} {'n':>4}  x source-extractor")
    for name, values in times.items():
        ratio = f"{medians[name] / base:.2f}" if base else "-"
        print(f"{name:34} {1e3 * medians[name]:10.0f} {1e3 * min(values):8.0f} "
              f"{len(values):4d}  {ratio:>8}")


def print_machine():
    """Print when, where and with which versions this ran."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_processor()}, "
          f"{len(os.sched_getaffinity(0))} cores, {THREADS} threads, "
          f"load {os.getloadavg()[0]:.1f}, {platform.system()} {platform.release()}")
    found = [f"Python {platform.python_version()}"]
    for name in VERSIONS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    program = sextractor()
    if program:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        found.append(done.stdout.split(" (")[0].strip())
    print(", ".join(found))


def _processor():
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=15, help="rounds (default 15)")
    parser.add_argument("--cold", type=int, default=3, help="rounds of the cold command line")
    parser.add_argument("--slow", type=int, default=3, help="rounds of photutils; 0 leaves it out")
    parser.add_argument("--model", default="default", help="weights: a name or a file")
    parser.add_argument("--others-only", action="store_true", help="leave this package out")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # of FITS headers in the old style, once per round
    data = field.data_folder()
    print_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = unpack(data, folder)
        print_times(measure(programs(options, paths, folder)))
        if find_spec("openvino") and not options.others_only:
            agreement(paths, options.model)


if __name__ == "__main__":
    main()
