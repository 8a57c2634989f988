"""What DS9 shows: images, frames, places."""

import io
import shutil
import tempfile
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits

from astro_yolo._files import replacing
from astro_yolo.ds9._fits_bytes import fits_bytes, is_plain, plain_name
from astro_yolo.ds9._grid import frame_wcs
from astro_yolo.exceptions import (
    DS9Error,
    DS9NotFoundError,
    DS9TimeoutError,
)

__all__ = ["GONE", "Display"]

#: Errors after which a DS9 cannot be asked to put anything right.
GONE = (DS9NotFoundError, DS9TimeoutError)

_PICTURES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".tiff": "tiff"}
_PACKED = (".bz2", ".xz")  # that DS9 leaves to programs which may not be there


class Display:
    """The part of `~astro_yolo.ds9.DS9Bridge` that is about images."""

    def show(self, image, *, hdu=None, wcs=None, stretch="lupton", frame=None):
        """
        Show an image.

        Nothing that is there is replaced, unless the frame is named: an image needs a new frame
        where the current one shows something, as DS9 drops a frame's regions with its image.

        Parameters
        ----------
        image : path-like, HDUList, HDU, CCDData, NDData, (ny, nx) array, or sequence or dict
            A sequence or dict of three bands, from short to long wavelength, is shown as an RGB
            frame, and so is a picture: a file (JPEG, PNG, TIFF), or uint8 (ny, nx, 3).
        hdu : int or str, optional
            Which HDU of a file or list; by default its first image.
        wcs : WCS, optional
            Sky coordinates of an array, of three bands or of a picture.
        stretch : str, optional
            Of three bands: one of `~astro_yolo.stretch.STRETCHES`. A picture is shown as it is.
        frame : int, optional
            Number of the frame that shows it instead of what it showed. One of colours takes three
            bands alone, and three bands replace it by a frame of a new number.

        Returns
        -------
        int
            Number of the frame.

        Raises
        ------
        DS9Error
            If DS9 cannot show it.
        ImageError
            If bands cannot be read or aligned.
        """
        if isinstance(image, str | PathLike):
            image = Path(image).expanduser()
        with self._lock:
            several = isinstance(image, list | tuple | dict) and not isinstance(image, fits.HDUList)
            if several or _is_picture(image):
                return self._show_bands(image, stretch, frame, hdu, wcs)
            with self._new_frame(frame):
                self._load(image, hdu, wcs)
                self._require_image()
            self.set("scale mode zscale")  # from the faintest to the brightest pixel all is black
            return int(self.get("frame"))

    def _show_bands(self, bands, stretch, frame, hdu, wcs):
        """Show three bands, or a picture, in colour."""
        from astro_yolo._picture import painted
        from astro_yolo.image import read_image
        from astro_yolo.stretch import to_channels

        image = read_image(bands, hdu=hdu, wcs=wcs)
        if image.n_bands != 3 and image.kind != "picture":
            raise DS9Error(f"image must have three bands for a colour frame, got {image.n_bands}")
        data, _ = image.window(0, image.shape[0], 0, image.shape[1])
        rgb = painted(to_channels(data), image.kind, stretch)
        if frame is not None:
            self._require_frame(frame)
            self.set(f"frame {frame}")
            self.set("frame delete")
        self.set("rgb")
        for k, channel in enumerate(("red", "green", "blue")):
            self.set(f"rgb {channel}")
            plane = np.ascontiguousarray(rgb[..., k])
            self.set("fits image.fits", fits_bytes(plane, wcs=image.wcs))
            self.set("scale linear")
            self.set("scale limits 0 255")
        self._require_image()
        return int(self.get("frame"))

    def _load(self, image, hdu, wcs):
        """Load an image into the current frame."""
        if not isinstance(image, str | PathLike):
            self.set("fits image.fits", fits_bytes(image, hdu, wcs))
            return
        path, part = Path(image).absolute(), "" if hdu is None else f"[{hdu}]"
        if path.suffix.lower() in _PACKED:
            with fits.open(path) as hdus:
                self.set(f"fits {plain_name(path.stem)}", fits_bytes(hdus, hdu, wcs))
        elif is_plain(path):
            self.set(f"file {{{path}{part}}}")
        else:
            self.set(f"fits {plain_name(path.name)}{part}", path.read_bytes())

    @contextmanager
    def _new_frame(self, frame):
        """Make a frame current for a new image; a frame made for one that fails goes again."""
        before, now = self.frames(), self.get("frame")
        if frame is not None:
            self.set(f"frame {int(frame)}")
            self._refuse_colour(now)
        elif not before or self.get("frame has fits") == "yes":
            self.set("frame new")
        try:
            yield
        except (DS9Error, OSError) as error:
            if not isinstance(error, GONE) and len(self.frames()) > len(before):
                self.set("frame delete")
                if now:
                    self.set(f"frame {now}")
            raise

    def _refuse_colour(self, before):
        """Raise if the current frame has colours: DS9 would show an image in one of them."""
        if self._is_colour():
            number = self.get("frame")
            self.set(f"frame {before}")
            msg = f"frame must be one without colours, got {number}: leave it out for a new one"
            raise DS9Error(msg)

    def _require_image(self):
        """Raise if the current frame shows nothing: DS9 would take regions and lose them."""
        if not self.frames():
            raise DS9Error("DS9 has no frame")
        if self.get("frame has fits") != "yes":
            raise DS9Error(f"frame {self.get('frame')} of DS9 shows no image")

    def _require_frame(self, number):
        """Raise if there is no such frame; DS9 would make it."""
        frames = self.frames()
        if number not in frames:
            msg = f"frame must be one of {', '.join(map(str, frames)) or 'none'}, got {number}"
            raise DS9Error(msg)

    def frames(self):
        """
        Return the numbers of all frames.

        Returns
        -------
        list of int
        """
        return [int(number) for number in self.get("frame all").split()]

    def read(self, *, frame=None):
        """
        Return the image that a frame shows, also one that is in no file.

        Parameters
        ----------
        frame : int, optional
            Number of the frame; by default the current one.

        Returns
        -------
        `~astropy.io.fits.HDUList` or list of them
            Three, blue, green and red, of an RGB frame.

        Raises
        ------
        DS9Error
            If the frame shows no image.
        """
        with self._lock, self._frame(frame):
            self._require_image()
            if not self._is_colour():
                return self._read()
            now, channels = self.get("rgb channel"), []
            for channel in ("blue", "green", "red"):
                self.set(f"rgb {channel}")
                channels.append(self._read())
            self.set(f"rgb {now}")
            return channels

    def _read(self):
        with fits.open(io.BytesIO(self.get("fits", binary=True))) as hdus:
            return fits.HDUList([fits.PrimaryHDU(hdus[0].data, hdus[0].header)])

    def _is_colour(self):
        """Say whether the current frame has three channels."""
        return self._tcl("$current(frame) get type") == "rgb"  # no query of XPA's tells it

    def _tcl(self, command):
        """Return the value of a command of Tcl's: DS9 gives it in the words of an error alone."""
        try:
            self.set("tcl", f"error [{command}]")
        except GONE:
            raise
        except DS9Error as error:
            return str(error).partition("': ")[2]
        return ""

    @contextmanager
    def _frame(self, number):
        """Make a frame the current one for a while, that neither blinks nor shows blocks."""
        blinks = self.get("blink") == "yes"
        if blinks:
            self.set("single")
        now = self.get("frame")
        other = number is not None and str(number) != now
        try:
            if other:
                self._require_frame(number)
                self.set(f"frame {number}")
            with self._single_pixels():
                yield
        except GONE:  # a second wait would not bring it back
            other = blinks = False
            raise
        finally:
            if other and now:
                self.set(f"frame {now}")
            if blinks:
                self.set("blink")

    @contextmanager
    def _single_pixels(self):
        """Show every pixel for a while, where the current frame shows blocks of them."""
        # in blocks the pixels of regions are blocks, and sizes on the sky and the header are wrong
        block = self.get("block") if self.frames() else "1"
        if block == "1":
            yield
            return
        self.set("block to 1")
        try:
            yield
        except GONE:
            block = None
            raise
        finally:
            if block:
                self.set(f"block to {block}")

    def pan_to(self, x, y=None, *, zoom=None):
        """
        Bring a place to the middle of the current frame.

        Parameters
        ----------
        x, y : float, or a `~astropy.coordinates.SkyCoord` alone
            0-based pixels, or a position on the sky.
        zoom : float, optional
            Screen pixels for one of the image.

        Raises
        ------
        ValueError
            If the zoom is not above 0: DS9 would take it.
        """
        if zoom is not None and not zoom > 0:
            raise ValueError(f"zoom must be above 0, got {zoom}")
        if isinstance(x, SkyCoord):
            self.set(f"pan to {x.icrs.ra.deg:.8f} {x.icrs.dec.deg:.8f} wcs icrs degrees")
        else:
            with self._lock, self._single_pixels():
                self.set(f"pan to {float(x) + 1:.4f} {float(y) + 1:.4f} image")
        if zoom is not None:
            self.set(f"zoom to {float(zoom):g}")

    def blink(self, on=True):  # noqa: FBT002, as one says it
        """
        Let frames take turns, or stop that.

        Parameters
        ----------
        on : bool, optional
            Start or stop.
        """
        self.set("blink" if on else "single")

    def tile(self, on=True, *, match=True):  # noqa: FBT002, as one says it
        """
        Show all frames side by side, or one alone.

        Parameters
        ----------
        on : bool, optional
            Side by side.
        match : bool, optional
            Bring all to the piece of sky of the current one, where it has sky coordinates.
        """
        self.set("tile" if on else "single")
        if on and match and frame_wcs(self) is not None:
            self.set("match frame wcs")

    def screenshot(self, path, *, overwrite=False):
        """
        Save what the current frame shows, with its regions.

        Parameters
        ----------
        path : path-like
            PNG, JPEG or TIFF file.
        overwrite : bool, optional
            Replace an existing file.

        Raises
        ------
        OSError
            If the file exists and ``overwrite`` is False.
        DS9Error
            If the ending is another one, a part of DS9's window is beyond the edge of the screen
            (the picture is taken from there), or DS9 says that it is done and there is no file.
        """
        path = Path(path)
        if path.suffix.lower() not in _PICTURES:
            msg = f"path must end with one of {', '.join(_PICTURES)}, got {path.name!r}"
            raise DS9Error(msg)
        with self._lock, replacing(path, overwrite=overwrite) as part:
            self.set("tcl {package require Img}")  # Debian's DS9 does not load it by itself
            self.set("raise")
            self._require_visible()  # a picture that fails may leave a dialog open
            with tempfile.TemporaryDirectory(prefix="astro-yolo-") as folder:
                shot = Path(folder) / "shot"  # not every name is one that DS9 takes
                self.set(f"saveimage {_PICTURES[path.suffix.lower()]} {{{shot}}}")
                if not shot.is_file():
                    raise DS9Error(f"DS9 did not write {path}: is its window hidden?")
                shutil.copyfile(shot, part)

    def _require_visible(self):
        """Raise if a part of the image is beyond the edge of the screen."""
        window = ("rootx", "rooty", "width", "height", "screenwidth", "screenheight")
        asked = " ".join(f"[winfo {name} $ds9(canvas)]" for name in window)
        system, *numbers = self._tcl(f"list [tk windowingsystem] {asked}").split()
        x, y, width, height, right, bottom = map(int, numbers)
        if system == "x11" and (min(x, y) < 0 or x + width > right or y + height > bottom):
            msg = (
                f"DS9's image must be wholly on the screen of {right} x {bottom} pixels for a"
                f" picture, got {width} x {height} at ({x}, {y}): move the window, or shrink it"
            )
            raise DS9Error(msg)


def _is_picture(image):
    """Say whether an image is a picture, of which DS9 does not make three colours by itself."""
    from astro_yolo._picture_input import is_picture, is_picture_array

    if isinstance(image, np.ndarray):
        return is_picture_array(image)
    if not isinstance(image, Path) or not image.is_file():
        return False
    with image.open("rb") as file:
        return is_picture(file.read(8))
