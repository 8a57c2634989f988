"""Detections over the image in an open DS9, and what somebody made of them there."""

import re
import secrets
import threading

import numpy as np

from astro_yolo._columns import floats, whole
from astro_yolo._region_colors import checked_color
from astro_yolo.catalog import table_wcs
from astro_yolo.ds9._display import GONE, Display
from astro_yolo.ds9._grid import frame_wcs, same_grid
from astro_yolo.ds9._transport import carried, find_target, load_transport
from astro_yolo.ds9.diff import diff_regions
from astro_yolo.exceptions import DS9Error, RegionError
from astro_yolo.region_parser import OTHER_TILE, parse_regions
from astro_yolo.region_text import CLEAN, at_pixels, format_regions

__all__ = ["DS9Bridge"]

_TAG = "astro_yolo"
_RUN = re.compile(r"tag=\{ay-run=([0-9a-f]{8})\}")
_MANY = 1000  # regions from which on texts are left out: nobody can read them, DS9 draws slowly
_TAGS = re.compile(r"tag=\{([^}]*)\}")
_SYSTEMS = {"image": "-system image", "icrs": "-system wcs -sky icrs -skyformat degrees"}


class DS9Bridge(Display):
    """
    A connection to a running SAOImage DS9.

    It never starts a DS9 (see `~astro_yolo.ds9.launch`), and several threads may use one.

    Parameters
    ----------
    target : str, optional
        Title of the DS9, or its address (``ip:port``, DS9's ``$xpa_method``). Without it there
        must be one DS9 alone.
    backend : {"auto", "pyds9", "xpa"}, optional
        pyds9, or the programs xpaget and xpaset; "auto" takes the first that is there.
    timeout : float, optional
        Seconds that one call may take. pyds9 has one time-out per process: that of the first
        bridge.

    Raises
    ------
    DS9NotFoundError
        If no DS9 of that name runs, or none that XPA knows.
    DS9AmbiguousError
        If several run and none was named.
    DS9TimeoutError
        If it does not answer.
    MissingExtraError
        If neither pyds9 nor the programs are there.

    Examples
    --------
    >>> from astro_yolo.ds9 import DS9Bridge
    >>> ds9 = DS9Bridge()  # doctest: +SKIP
    >>> ds9.show("frame-r.fits")  # doctest: +SKIP
    >>> ds9.push(table)  # doctest: +SKIP
    >>> edited = ds9.pull()  # doctest: +SKIP
    """

    def __init__(self, target=None, *, backend="auto", timeout=30.0):
        if not timeout > 0:
            msg = f"timeout must be above 0 s, got {timeout}"
            raise ValueError(msg)
        self._lock = threading.RLock()
        self._transport = load_transport(backend, timeout)
        self._target = find_target(self._transport, target)
        self.get("version")  # a stopped one is in the list too

    @property
    def title(self):
        """Title of the DS9."""
        return self._target.title

    @property
    def address(self):
        """Its address, which no other DS9 has."""
        return self._target.address

    @property
    def backend(self):
        """How commands travel: "pyds9" or "xpa"."""
        return self._transport.name

    def __repr__(self):
        return f"<DS9Bridge {self.title} at {self.address} by {self.backend}>"

    def get(self, command, *, binary=False):
        """
        Return DS9's answer to a query (DS9 reference manual, "XPA Access Points").

        Parameters
        ----------
        command : str
            Such as ``"frame"`` or ``"regions -system image"``; one line.
        binary : bool, optional
            Return bytes, as of ``"fits"``.

        Returns
        -------
        str or bytes
            A text without the line feed at its end.

        Raises
        ------
        DS9Error
            With DS9's own words if it refuses; `DS9NotFoundError` if it has gone,
            `DS9TimeoutError` if it does not answer.
        """
        with self._lock:
            answer = self._transport.get(self.address, carried(command))
        return answer if binary else answer.decode(errors="replace").rstrip("\n")

    def set(self, command, data=None):
        """
        Send a command to DS9.

        Parameters
        ----------
        command : str
            Such as ``"zoom to fit"``; one line.
        data : str or bytes, optional
            What belongs to it, as regions to ``"regions"``.

        Raises
        ------
        DS9Error
            As `get`.
        """
        data = data.encode() if isinstance(data, str) else data
        with self._lock:
            self._transport.set(self.address, carried(command), data)

    def push(
        self, table, *, shape="ellipse", color=None, text="auto", min_score=None, frame=None,
        coords=None, replace=True,
    ):  # fmt: skip
        """
        Draw detections over the image of a frame.

        Each region has the tags ``astro_yolo``, its class, ``ay-id=`` with its id and ``ay-run=``
        with the push. Regions that this package did not draw are never touched.

        Parameters
        ----------
        table : `~astropy.table.Table` or one row of it
            A result table, or any with ``xmin, ymin, xmax, ymax``. Rows without finite edges are
            left out with a warning.
        shape, color : optional
            As of `~astro_yolo.overlays.write_regions`.
        text : str or None, optional
            Format of the text beside each; "auto" is what is known of ``"{id} {label}
            {score:.2f}"``, and nothing for more than 1000 rows.
        min_score : float, optional
            Leave out rows of a lower score.
        frame : int, optional
            Number of the frame; by default the current one.
        coords : {"image", "icrs"}, optional
            By default pixels where the frame shows the image that was searched, and
            sky positions where it shows another one or the rows are of several.
        replace : bool, optional
            Take away what was pushed into the frame before, once the new regions are there.

        Returns
        -------
        str
            Name of the push, eight digits: ``ds9.set("regions group {ay-run=NAME} delete")``.

        Raises
        ------
        RegionError
            If the table or an option is not valid.
        DS9Error
            If the frame does not exist or shows nothing, or not all regions arrived; what did is
            then taken away again, and the regions of earlier pushes stay. If DS9 does not answer,
            what arrived is taken away by the next push.
        """
        table = whole(table)
        if min_score is not None:
            if "score" not in table.colnames:
                raise RegionError("min_score must be left out: the table has no column score")
            table = table[floats(table["score"]) >= min_score]
        _system("coords", coords or "image")
        text = None if text == "auto" and len(table) > _MANY else text
        run = secrets.token_hex(4)
        with self._lock, self._frame(frame):
            self._require_image()
            coords = self._coords(table) if coords is None else coords
            words = format_regions(table, shape=shape, frame=coords, color=color, text=text,
                                   tags=(_TAG, f"ay-run={run}"))  # fmt: skip
            before = set(_RUN.findall(self.region_text())) if replace else set()
            wanted = words.count(f"ay-run={run}")
            if wanted:
                self._send(words, run, wanted)
            for name in before:
                self.set(f"regions group {{ay-run={name}}} delete")
        return run

    def _coords(self, table):
        """Return the coordinates in which a table fits the current frame."""
        wcs, shown = table_wcs(table), frame_wcs(self)
        if wcs is not None and shown is None:
            msg = (
                "the table has sky coordinates, and the image in DS9 no sky coordinates;"
                ' coords="image" takes the pixels of the table'
            )
            raise DS9Error(msg)
        if shown is None:
            return "image"
        same = wcs is None or same_grid(wcs, shown, table)
        own = shown if wcs is None else wcs
        return "image" if same and at_pixels(table, own).all() else "icrs"

    def _send(self, words, run, wanted):
        """Send regions, and make sure that all arrived."""
        try:
            self.set("regions", words)
            arrived = self.region_text().count(f"ay-run={run}")
        except GONE:  # nothing can be taken away; the next push does it
            raise
        except DS9Error:
            self.set(f"regions group {{ay-run={run}}} delete")
            raise
        if arrived != wanted:
            self.set(f"regions group {{ay-run={run}}} delete")
            msg = f"DS9 took {arrived} of {wanted} regions: they were taken away again"
            raise DS9Error(msg)

    def region_text(self, *, system="image", selected=False):
        """
        Return the regions of the current frame as DS9 writes them.

        Parameters
        ----------
        system : {"image", "icrs"}, optional
            Coordinates: pixels that count from 1, or degrees.
        selected : bool, optional
            Only those that are selected.

        Returns
        -------
        str

        Raises
        ------
        RegionError
            If the coordinates are neither.
        """
        words = f"{_system('system', system)} -strip no{' selected' if selected else ''}"
        return self.get(f"regions -format ds9 {words}")

    def pull(self, *, frame=None, wcs=None):
        """
        Return the regions that a frame shows now, the user's own too.

        Parameters
        ----------
        frame : int, optional
            Number of the frame; by default the current one.
        wcs : WCS, optional
            Give pixels of another image, that with these sky coordinates; those of the frame if
            it has no sky coordinates itself. Pixels of a mosaic are those of its first image.

        Returns
        -------
        `~astropy.table.QTable`
            As of `~astro_yolo.overlays.read_regions`, and ``ours``: whether this package drew it.
            Shapes that are no outline (lines, annuli, ...) are left out with a warning.

        Raises
        ------
        DS9Error
            If there is no such frame, or DS9 does not answer.
        """
        with self._lock, self._frame(frame):
            own = frame_wcs(self)
            other = None not in (wcs, own) and not same_grid(wcs, own)
            text = self._read_regions(own, on_sky=other)
        return _as_table(text, wcs if other else own)

    def _read_regions(self, wcs, *, on_sky=False, selected=False):
        """Return the regions, on the sky also where pixels are of several images of a mosaic."""
        text = self.region_text(system="icrs" if on_sky else "image", selected=selected)
        if wcs is not None and OTHER_TILE.search(text):
            return self.region_text(system="icrs", selected=selected)
        return text

    def diff(self, table, *, frame=None, tolerance=0.1):
        """
        Return what changed since detections were pushed.

        Parameters
        ----------
        table : `~astropy.table.Table`
            What was pushed. Rows left out at the push (``min_score``) count as deleted.
        frame, tolerance : optional
            As of `pull` and `~astro_yolo.ds9.diff_regions`.

        Returns
        -------
        `~astropy.table.QTable`
            See `~astro_yolo.ds9.diff_regions`.
        """
        now = self.pull(frame=frame, wcs=table_wcs(whole(table)))
        return diff_regions(table, now, tolerance=tolerance)

    def recolor(self, label, color, *, frame=None):
        """
        Give all regions of a class another colour.

        Parameters
        ----------
        label : str, or iterable of int
            Class, or any other tag; or ids.
        color : str
            Name, or ``#rrggbb``.
        frame : int, optional
            Number of the frame; by default the current one.
        """
        names = [label] if isinstance(label, str) else map(_tag_of, label)
        self._groups(names, f"color {checked_color(color)}", frame)

    def remove(self, ids=None, *, frame=None):
        """
        Take away regions that this package drew.

        Parameters
        ----------
        ids : iterable of int, optional
            Which; by default all.
        frame : int, optional
            Number of the frame; by default the current one.
        """
        self._groups([_TAG] if ids is None else map(_tag_of, ids), "delete", frame)

    def select(self, ids, *, frame=None):
        """
        Select the regions with these ids, and no others.

        Parameters
        ----------
        ids : iterable of int
            Which.
        frame : int, optional
            Number of the frame; by default the current one.
        """
        with self._lock, self._frame(frame):
            self.set("regions select none")
            self._groups(map(_tag_of, ids), "select", None)

    def selected(self, *, frame=None):
        """
        Return the selected regions.

        Parameters
        ----------
        frame : int, optional
            Number of the frame; by default the current one.

        Returns
        -------
        `~astropy.table.QTable`
            As of `pull`.
        """
        with self._lock, self._frame(frame):
            own = frame_wcs(self)
            return _as_table(self._read_regions(own, selected=True), own)

    def _groups(self, names, command, frame):
        """Do something to all regions with one of some tags; nothing where there are none."""
        with self._lock, self._frame(frame):
            there = set(_TAGS.findall(self.region_text()))
            for name in names:
                plain = name.translate(CLEAN)
                if plain in there:
                    self.set(f"regions group {{{plain}}} {command}")


def _as_table(text, wcs):
    """Return regions as a table that says which are ours."""
    table = parse_regions(text, wcs=wcs)
    table["ours"] = (np.asarray(table["id"]) > 0) & ("tag={ay-id=" in text)
    return table


def _tag_of(number):
    """Return the tag of a region with an id."""
    return f"ay-id={int(number)}"


def _system(name, value):
    """Return DS9's words for the coordinates that an argument names."""
    if value not in _SYSTEMS:
        raise RegionError(f"{name} must be one of {', '.join(_SYSTEMS)}, got {value!r}")
    return _SYSTEMS[value]
