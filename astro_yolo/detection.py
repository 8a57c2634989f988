"""Find and classify the galaxies of an image.

`Detector` keeps a loaded network for many images; `detect` is the one-shot. Both go the same
way: read the image, scale it for the network, run it, suppress doubles, make the table.
"""

from dataclasses import replace

import numpy as np

from astro_yolo import __version__, tiling
from astro_yolo import boxes as box_math
from astro_yolo._loaded import Loaded, loaded_here, spare_here
from astro_yolo._scan import scan
from astro_yolo._stamp_inputs import as_number
from astro_yolo.catalog import CLASSES, FLAGS, LABELS, make_table
from astro_yolo.config import conf
from astro_yolo.exceptions import NoDetectionsWarning, warn_user
from astro_yolo.image import read_image
from astro_yolo.network.backends import check_names
from astro_yolo.network.priors import class_weights, reweighted
from astro_yolo.network.weights import load_weights

__all__ = ["Detector", "detect"]

_ZOOMS = 0.25, 4.0


class Detector:
    """
    A network that finds galaxies, kept ready for many images.

    Parameters
    ----------
    model : str or pathlib.Path, optional
        Name of weights in the package, or path of an ``.onnx`` or ``.pt`` file.
    device : {None, "cpu", "cuda"}, optional
        Where to compute; None takes ``conf.device``, or lets the backend choose.
    backend : {"auto", "onnxruntime", "openvino", "ultralytics"}, optional
        Runtime of the network; "auto" takes the fastest installed one.

    Attributes
    ----------
    max_pixels : int
        Images up to this size go through the network in one pass; larger ones by tiles. Lower it
        where memory is short: a pass needs about 150 bytes per pixel, of a deep field 250.

    Raises
    ------
    ValueError
        If the name of the backend or device is unknown.

    Notes
    -----
    The weights are read at the first use. Calls from several threads wait for each other. Other
    processes may get a detector as well (process pools, Dask): each loads the network once.

    Examples
    --------
    >>> from astro_yolo import Detector
    >>> detector = Detector(backend="onnxruntime")
    >>> table = detector.detect({"g": "g.fits", "r": "r.fits", "i": "i.fits"})  # doctest: +SKIP
    """

    def __init__(self, model="default", *, device=None, backend="auto"):
        device = device or conf.device or None
        check_names(backend, device)
        self.max_pixels = tiling.ONE_PASS
        self._model, self._device, self._choice = model, device, backend
        self._weights = self._backend = self._classifier = None
        self._loaded = Loaded()

    def __repr__(self):
        return f"Detector({self._model!r}, device={self._device!r}, backend={self._choice!r})"

    def __getstate__(self):
        # the lock and what a runtime loaded belong to this process
        return self.__dict__ | dict.fromkeys(("_weights", "_backend", "_classifier", "_loaded"))

    def __setstate__(self, state):
        self.__dict__.update(state, _loaded=loaded_here())

    @property
    def weights(self):
        """The checked weight file (`~astro_yolo.network.weights.Weights`)."""
        if self._weights is None:
            self._weights = load_weights(self._model)
        return self._weights

    @property
    def backend(self):
        """The loaded network (`~astro_yolo.network.backends.Backend`)."""
        if self._backend is None:
            self._backend = self._loaded.backend(self.weights, self._choice, self._device)
        return self._backend

    @property
    def classifier(self):
        """The network of types (`~astro_yolo.network.types.TypeClassifier`), or None."""
        if self._classifier is None and self.weights.types is not None:
            self._classifier = self._loaded.classifier(self.weights)
        return self._classifier

    def detect(
        self,
        image,
        *,
        wcs=None,
        mask=None,
        hdu=None,
        score=None,
        min_purity=None,
        classes=None,
        include_stars=False,
        priors=None,
        zoom=None,
        background=None,
        measure=False,
        progress=False,
    ):
        """
        Find and classify the galaxies of an image.

        Parameters
        ----------
        image : path, `~astropy.io.fits.HDUList`, HDU, `~astropy.nddata.NDData`, array, dict or list
            Anything that `~astro_yolo.read_image` reads. A dict or list holds the bands
            of one field, a list from short to long wavelength.
        wcs : `~astropy.wcs.WCS`, optional
            Sky coordinates, for an image that has none of its own.
        mask : (ny, nx) bool array, optional
            True for pixels to ignore; those that are not finite are ignored anyway.
        hdu : int or str, optional
            Extension of a FITS file with several images.
        score : float, optional
            Smallest probability, 0 to 1, that a galaxy is there. By default the one stored with
            the weights.
        min_purity : float, optional
            Instead of ``score``: the share of true galaxies wanted among the detections, as
            measured on the validation set for frames, pictures, or images of one band.
        classes : str or sequence of str, optional
            Keep only these labels.
        include_stars : bool, optional
            Whether stars are returned as well.
        priors : dict, optional
            Class to weight, for a sample with another mix of classes than Galaxy Zoo's bright
            galaxies: its share in yours over its share in theirs. Not named: 1.
        zoom : float, optional
            Factor, 0.25 to 4, by which the image is enlarged before the network sees it. By default
            1 for SDSS's pixels; where others make stars narrower or wider than the network knows
            them, 0.4 to 2.5. The table holds pixels of the image as it was given.
        background : float, optional
            Side in pixels, at least 16, of the squares whose local sky is subtracted first; several
            times as large as the largest galaxy. By default the sky is taken to be flat.
        measure : bool, optional
            Whether shapes, fluxes and magnitudes are added: `~astro_yolo.measuring.measure`.
        progress : bool, optional
            Whether to show a bar on standard error while there are tiles to do.

        Returns
        -------
        `~astropy.table.QTable`
            One row per source by falling score, with the columns of
            `~astro_yolo.catalog.COLUMNS`. Pixels are 0-based: the centre of the first pixel is
            (0, 0). Zero rows, and a `NoDetectionsWarning`, when nothing is found.

        Raises
        ------
        ValueError
            If ``classes``, ``priors``, ``score``, ``min_purity``, ``zoom`` or ``background`` is
            outside its range, or ``score`` and ``min_purity`` are both given.
        TypeError
            If one of the last four is no number.
        ImageError
            If the image cannot be used.
        ModelError
            If the network cannot be loaded.
        """
        wanted = _wanted_labels(classes, include_stars=include_stars)
        weights = class_weights(priors)
        if zoom is not None:
            low, high = _ZOOMS
            zoom = as_number("zoom", zoom, f"in {low:g}..{high:g}", lambda by: low <= by <= high)
        with self._loaded.lock:
            threshold = self._threshold(score, min_purity)
            frame = read_image(image, wcs=wcs, mask=mask, hdu=hdu)
            if min_purity is not None:  # only now the kind of image is known
                threshold = self.weights.score_for_purity(min_purity, frame)
            # beside the network, the hashing would hold up one of its threads; a caller's own
            # SkyImage may come with a plain mapping
            begin = getattr(frame.checksums, "begin", None)
            found, passes = scan(
                frame, self.backend, threshold, classifier=self.classifier,
                deep=self._loaded.deep(self.weights, self._choice, self._device),
                max_pixels=self.max_pixels, progress=progress, meanwhile=begin, zoom=zoom,
                background=background,
            )  # fmt: skip
            provenance = self._provenance(frame, threshold, wanted)
            provenance["passes"] = {**passes, "max_pixels": self.max_pixels}
        if priors:
            found = replace(found, types=reweighted(found.types, weights))
            provenance["priors"] = dict(zip(CLASSES, weights.tolist(), strict=True))
        provenance["input"]["sha256"] = dict(frame.checksums)
        table = self._table(frame, found, threshold, provenance)
        if measure:
            from astro_yolo.measuring import measure as measured

            table = measured(table, frame)
        if len(table) == 0:
            sought = f" and a label among {', '.join(wanted)}" if classes is not None else ""
            warn_user(
                f"nothing was found in {frame.name or 'the image'} with a score of at least"
                f" {threshold:.3g}{sought}: the table has no rows",
                NoDetectionsWarning,
            )
        return table

    def _threshold(self, score, min_purity):
        """Return the score threshold that the arguments ask for."""
        if score is not None and min_purity is not None:
            raise ValueError(f"give score or min_purity, not both, got {score} and {min_purity}")
        if min_purity is not None:
            return self.weights.score_for_purity(min_purity)
        if score is None:
            return self.weights.default_score
        return as_number("score", score, "in 0..1", lambda share: 0 <= share <= 1)

    def _table(self, frame, found, threshold, provenance):
        """Return the result table of the candidates whose label is wanted."""
        calibration = self.weights.calibration.suited_to(frame)
        score, p_star = calibration.scores(found.outputs, found.spread)
        class_probs = found.types
        label = np.array(CLASSES)[class_probs.argmax(axis=1)].astype("U16")
        # a tie is a galaxy: its score reached the threshold
        label[p_star > score] = "star"
        keep = np.isin(label, provenance["labels"]) & (np.maximum(score, p_star) >= threshold)
        flags = self._flags(frame, found)
        return make_table(
            found.boxes[keep],
            score[keep],
            class_probs[keep],
            p_star[keep],
            flags[keep],
            wcs=frame.wcs,
            label=label[keep],
            meta=self._meta(frame, threshold),
            provenance=provenance,
        )

    def _flags(self, frame, found):
        """Return the sums of the flag bits of the candidates."""
        pixel = np.maximum(1, found.binning)  # of the level, which leaves out what fills less
        marks = {
            "edge": box_math.touches_border(found.boxes, frame.shape, pixel),
            "masked": found.masked,
            "saturated": found.saturated,
            "seam": found.seam,
            "out_of_domain": _out_of_domain(self.weights, frame, found),
        }
        return sum(FLAGS[name] * mark.astype(np.int32) for name, mark in marks.items())

    def _meta(self, frame, threshold):
        """Return the flat values of the table's meta."""
        return {
            "IMAGE": frame.name,
            "BANDS": ",".join(str(band) for band in frame.bands),
            "MODEL": self.weights.name,
            "VERSION": __version__,
            "BACKEND": self.backend.name,
            "SCOREMIN": threshold,
            "IOUMAX": box_math.DOUBLES["iou_threshold"],
            "STRETCH": self.weights.stretch,
        }

    def _provenance(self, frame, threshold, wanted):
        """Return all that the table depends on; no date, so that equal runs give equal tables."""
        weights, backend = self.weights, self.backend
        return {
            "package": {"name": "astro-yolo", "version": __version__},
            "model": {
                "name": weights.name,
                "version": str(weights.metadata["version"]),
                "sha256": weights.sha256,
                "license": str(weights.metadata["license"]),
                **({"types_sha256": weights.types_sha256} if weights.types else {}),
                **({"deep_sha256": weights.deep_sha256} if weights.deep else {}),
            },
            "backend": {
                "name": backend.name,
                "version": backend.version,
                "device": backend.device,
                "precision": backend.precision,
            },
            "score": threshold,
            "doubles": box_math.DOUBLES,
            "labels": list(wanted),
            "stretch": weights.stretch,
            "input": {"name": frame.name, "kind": frame.kind, "bands": list(frame.bands)},
        }


def detect(
    image,
    *,
    model="default",
    device=None,
    backend="auto",
    wcs=None,
    mask=None,
    hdu=None,
    score=None,
    min_purity=None,
    classes=None,
    include_stars=False,
    priors=None,
    zoom=None,
    background=None,
    measure=False,
    progress=False,
):
    """
    Find and classify the galaxies of one image.

    Parameters
    ----------
    image : path, `~astropy.io.fits.HDUList`, HDU, `~astropy.nddata.NDData`, array, dict or list
        Anything that `~astro_yolo.read_image` reads. A dict or list holds the bands
        of one field, a list from short to long wavelength.
    model, device, backend : optional
        As of `Detector`.
    wcs, mask, hdu, score, min_purity, classes, include_stars, priors, zoom, background : optional
        As in `Detector.detect`.
    measure, progress : bool, optional
        As in `Detector.detect`.

    Returns
    -------
    `~astropy.table.QTable`
        One row per galaxy by falling score; see `Detector.detect`.

    Raises
    ------
    ValueError
        If an argument is outside its range.
    ImageError
        If the image cannot be used.
    ModelError
        If the network cannot be loaded.

    See Also
    --------
    Detector : The same, made once for many images.

    Notes
    -----
    The networks stay in memory for the next call with the same model. Calls from several threads
    run at the same time, and each that finds them in use loads its own.

    Examples
    --------
    >>> from astro_yolo import detect
    >>> table = detect(["g.fits", "r.fits", "i.fits"], min_purity=0.9)  # doctest: +SKIP
    """
    detector = Detector(model, device=device, backend=backend)
    with spare_here() as detector._loaded:  # noqa: SLF001 (our own class)
        return detector.detect(
            image, wcs=wcs, mask=mask, hdu=hdu, score=score, min_purity=min_purity,
            classes=classes, include_stars=include_stars, priors=priors, zoom=zoom,
            background=background, measure=measure, progress=progress,
        )  # fmt: skip


def _wanted_labels(classes, *, include_stars):
    """Return the labels to keep, in the order of `LABELS`."""
    allowed = LABELS if include_stars else CLASSES
    if classes is None:
        return allowed
    chosen = {classes} if isinstance(classes, str) else set(classes)
    unknown = sorted(str(name) for name in chosen - set(allowed))
    if unknown or not chosen:
        hint = "; 'star' needs include_stars=True" if "star" in unknown else ""
        got = ", ".join(unknown) or "none"
        msg = f"classes must be among {', '.join(allowed)}, got {got}{hint}"
        raise ValueError(msg)
    return tuple(name for name in allowed if name in chosen)


def _out_of_domain(weights, frame, found):
    """Tell which candidates the network saw at a pixel scale or size that it was not trained on."""
    marks = np.zeros(len(found.boxes), dtype=bool)
    if weights.pixel_scale and frame.pixel_scale:
        low, high = weights.pixel_scale
        scale = frame.pixel_scale * found.binning
        marks |= (scale < low) | (scale > high)
    if weights.size:
        low, high = weights.size
        longest = box_math.longer_side(found.boxes)
        marks |= (longest / found.binning > high) | (longest / found.binning < low)
    return marks
