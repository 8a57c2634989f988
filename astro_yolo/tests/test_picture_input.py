"""Picture files."""

import struct

import cv2
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from astro_yolo._picture_input import avm_tags, read_picture
from astro_yolo.exceptions import ImageError, InputWarning
from astro_yolo.image import read_image

# Seen in DS9 8.4.1 with exactly such pictures (`-png`, `-jpeg`): the corner that is at the bottom
# left in an image viewer is image pixel (1, 1); the top left corner is pixel (1, 40).
NY, NX = 40, 60

AVM = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:avm="http://www.communicatingastronomy.org/avm/1.0/" '
    'avm:Spatial.CoordsystemProjection="TAN" avm:Spatial.Rotation="{rotation}">'
    "<avm:Spatial.ReferenceValue><rdf:Seq><rdf:li>150</rdf:li><rdf:li>2</rdf:li></rdf:Seq>"
    "</avm:Spatial.ReferenceValue><avm:Spatial.ReferencePixel><rdf:Seq><rdf:li>30.5</rdf:li>"
    "<rdf:li>20.5</rdf:li></rdf:Seq></avm:Spatial.ReferencePixel><avm:Spatial.ReferenceDimension>"
    "<rdf:Seq><rdf:li>{nx}</rdf:li><rdf:li>{ny}</rdf:li></rdf:Seq>"
    "</avm:Spatial.ReferenceDimension><avm:Spatial.Scale><rdf:Seq><rdf:li>-0.0001</rdf:li>"
    "<rdf:li>0.0001</rdf:li></rdf:Seq></avm:Spatial.Scale></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def picture():
    """Make a red corner at the bottom left, a green one at the top left; rows from the top."""
    bgr = np.full((NY, NX, 3), 30, dtype=np.uint8)
    bgr[-8:, :8] = (0, 0, 255)
    bgr[:8, :8] = (0, 255, 0)
    return bgr


def write(path, pixels=None, **avm):
    """Write a picture, with AVM tags appended where given (readers look for the packet only)."""
    assert cv2.imwrite(str(path), picture() if pixels is None else pixels)
    if avm:
        tags = AVM.format(**{"rotation": 0, "nx": NX, "ny": NY, **avm})
        path.write_bytes(path.read_bytes() + tags.encode())
    return path


def tan_header(**cards):
    """Header of the same sky as the AVM tags."""
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=150.0, CRVAL2=2.0, CRPIX1=30.5, CRPIX2=20.5,
        CDELT1=-1e-4, CDELT2=1e-4, **cards,
    )  # fmt: skip
    return header


def test_floating_point_runs_to_white(tmp_path):
    """A TIFF of 0 to 1 in floating point is that of 16 bits; one of other numbers keeps them."""
    deep = np.linspace(0, 65535, NY * NX * 3).astype(np.uint16).reshape(NY, NX, 3)
    _, expected = read_picture(write(tmp_path / "deep.tif", deep))
    _, planes = read_picture(write(tmp_path / "unit.tif", (deep / 65535).astype(np.float32)))
    for plane, same in zip(planes, expected, strict=True):
        np.testing.assert_allclose(plane.pixels.read(), same.pixels.read(), atol=0.01)
    _, planes = read_picture(write(tmp_path / "levels.tif", deep.astype(np.float32)))
    np.testing.assert_array_equal(planes[2].pixels.read(), expected[2].pixels.read())


@pytest.mark.parametrize("order", ["<", ">"])
def test_big_tiff(tmp_path, order):
    """A TIFF with offsets of 64 bits (version 43), as of files beyond 4 GB, is a picture."""
    pixels = np.arange(NY * NX, dtype=np.uint8).reshape(NY, NX)
    tags = {256: NX, 257: NY, 258: 8, 259: 1, 262: 1, 273: 16, 277: 1, 278: NY, 279: NX * NY}
    content = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}3HQ", 43, 8, 0, 16 + NX * NY)
    content += pixels.tobytes() + struct.pack(f"{order}Q", len(tags))
    for tag, value in tags.items():
        content += struct.pack(f"{order}HHQ", tag, 16, 1) + struct.pack(f"{order}Q", value)
    path = tmp_path / "big.tif"
    path.write_bytes(content + bytes(8))
    image = read_image(path)
    np.testing.assert_array_equal(image.data[0], pixels[::-1])


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_row_zero_is_the_bottom(tmp_path, ending):
    """The first row of data is the bottom row of the picture, as in DS9; bands run from blue."""
    names, planes = read_picture(write(tmp_path / f"a.{ending}"))
    assert names == ("blue", "green", "red")
    blue, green, red = (plane.pixels.read() for plane in planes)
    assert red.shape == (NY, NX)
    for pixel, color, others in (((3, 3), red, (green, blue)), ((-4, 3), green, (red, blue))):
        assert color[pixel] > 200
        assert max(other[pixel] for other in others) < 60
    assert planes[0].wcs is None


def test_grey_deep_and_transparent(tmp_path):
    """Grey and 16-bit pictures keep their numbers; transparent pixels are bad."""
    deep = np.arange(NY * NX, dtype=np.uint16).reshape(NY, NX)
    names, (plane,) = read_picture(write(tmp_path / "grey.png", deep))
    assert names == ("grey",)
    np.testing.assert_array_equal(plane.pixels.read(), deep[::-1])
    alpha = np.full((NY, NX, 1), 255, np.uint8)
    alpha[0, 0] = 0
    path = write(tmp_path / "alpha.png", np.concatenate([picture(), alpha], axis=2))
    _, planes = read_picture(path)
    assert np.argwhere(planes[0].bad).tolist() == [[NY - 1, 0]]


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_avm(tmp_path, ending):
    """AVM tags give the sky coordinates: pixel (1, 1) is the bottom left, east is to the left."""
    _, planes = read_picture(write(tmp_path / f"a.{ending}", rotation=0))
    wcs = planes[0].wcs
    np.testing.assert_allclose(wcs.all_pix2world(29.5, 19.5, 0), (150, 2), atol=1e-10)
    np.testing.assert_allclose(wcs.all_pix2world(29.5, 29.5, 0), (150, 2.001), atol=1e-8)
    assert wcs.all_pix2world(39.5, 19.5, 0)[0] < 150


def test_avm_rotation(tmp_path):
    """Spatial.Rotation turns as CROTA2: at 90 degrees north is to the left."""
    _, planes = read_picture(write(tmp_path / "a.png", rotation=90))
    wcs = planes[0].wcs
    expected = WCS(tan_header(CROTA2=90.0)).all_pix2world([10, 50], [5, 30], 0)
    np.testing.assert_allclose(wcs.all_pix2world([10, 50], [5, 30], 0), expected)
    assert wcs.all_pix2world(19.5, 19.5, 0)[1] > 2.0009


def test_avm_matrix_and_frame(tmp_path):
    """Spatial.CDMatrix stands above scale and rotation, and the frame is that of the tags."""
    matrix = [-2e-4, 1e-4, 1e-4, 2e-4]  # AVM 1.1: CD1_1, CD1_2, CD2_1, CD2_2
    items = "".join(f"<rdf:li>{value}</rdf:li>" for value in matrix)
    for name, axes in {"FK5": ["RA---TAN", "DEC--TAN"], "GAL": ["GLON-TAN", "GLAT-TAN"]}.items():
        path = write(tmp_path / f"{name}.png", rotation=f'90" avm:Spatial.CoordinateFrame="{name}')
        path.write_bytes(path.read_bytes().replace(b"</rdf:Description>", (
            f"<avm:Spatial.CDMatrix><rdf:Seq>{items}</rdf:Seq></avm:Spatial.CDMatrix>"
            "</rdf:Description>").encode()))  # fmt: skip
        wcs = read_picture(path)[1][0].wcs
        assert list(wcs.wcs.ctype) == axes
        assert wcs.wcs.radesys == ("FK5" if name == "FK5" else "")
        np.testing.assert_allclose(wcs.pixel_scale_matrix.ravel(), matrix)


def test_avm_of_a_resized_picture(tmp_path):
    """The tags of a picture twice as large are scaled about pixel edges."""
    _, planes = read_picture(write(tmp_path / "a.png", nx=2 * NX, ny=2 * NY))
    # the original's 30.5 is edge coordinate 30, so 15 here, which is FITS pixel 15.5, 0-based 14.5
    np.testing.assert_allclose(planes[0].wcs.all_pix2world(14.5, 9.5, 0), (150, 2), atol=1e-10)
    np.testing.assert_allclose(planes[0].wcs.all_pix2world(14.5, 14.5, 0)[1], 2.001, atol=1e-8)


def test_avm_of_a_cropped_picture(tmp_path):
    """Tags of a picture of other proportions are ignored with a warning."""
    path = write(tmp_path / "a.png", nx=NX, ny=2 * NY)
    with pytest.warns(InputWarning, match=r"a.png: its sky coordinates are ignored, .* 60 x 80"):
        _, planes = read_picture(path)
    assert planes[0].wcs is None


def test_hostile_xmp_is_ignored():
    """A packet that defines entities is not parsed."""
    bomb = b'<rdf:RDF><!DOCTYPE x [<!ENTITY a "aaaa">]>&a;</rdf:RDF>'
    assert avm_tags(bomb) == {}
    assert avm_tags(b"<rdf:RDF><unclosed></rdf:RDF>") == {}
    assert avm_tags(b"") == {}


@pytest.mark.parametrize(
    ("ending", "kind"),
    [(".wcs", "FITS"), (".hdr", "lines"), (".fits", "FITS"), (".txt", "lines"), (".wcs", "cards")],
)
def test_sidecar(tmp_path, ending, kind):
    """A header beside the picture gives its sky coordinates, and stands above AVM tags."""
    sidecar = tmp_path / f"a{ending}"
    header = tan_header()
    header["CRVAL1"] = 10.0
    if kind == "FITS":
        fits.PrimaryHDU(header=header).writeto(sidecar)
    else:
        (header.totextfile if kind == "lines" else header.tofile)(sidecar)
    _, planes = read_picture(write(tmp_path / "a.png", rotation=0))
    np.testing.assert_allclose(planes[0].wcs.all_pix2world(29.5, 19.5, 0), (10, 2), atol=1e-10)


def test_sidecar_of_another_size(tmp_path):
    """A sidecar solved on a larger copy is scaled; Astrometry.net's count of rows is questioned."""
    header = tan_header(IMAGEW=2 * NX, IMAGEH=2 * NY)
    header["COMMENT"] = "-- Astrometry.net solution --"
    fits.PrimaryHDU(header=header).writeto(tmp_path / "a.wcs")
    with pytest.warns(InputWarning, match=r"a.wcs: taken to count rows from the bottom"):
        _, planes = read_picture(write(tmp_path / "a.png"))
    np.testing.assert_allclose(planes[0].wcs.all_pix2world(14.5, 9.5, 0), (150, 2), atol=1e-10)


def test_distorted_sidecar(tmp_path):
    """A sidecar with SIP terms stands for its own picture, and is left out beside a resized one."""
    for factor in (1, 2):
        header = tan_header(A_ORDER=2, A_2_0=1e-5, B_ORDER=2, B_0_2=1e-5)
        header.update(IMAGEW=factor * NX, IMAGEH=factor * NY)
        header.update(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP")
        fits.PrimaryHDU(header=header).writeto(tmp_path / f"{factor}.wcs")
    assert read_picture(write(tmp_path / "1.png"))[1][0].wcs.sip is not None
    with pytest.warns(InputWarning, match="2.wcs: its sky coordinates are ignored"):
        assert read_picture(write(tmp_path / "2.png"))[1][0].wcs is None


@pytest.mark.parametrize("factor", [1, 2])
def test_size_is_that_of_the_picture(tmp_path, factor):
    """The WCS knows the size of the picture, whatever copy of it its header or tags speak of."""
    path = write(tmp_path / "avm.png", nx=factor * NX, ny=factor * NY)
    pixels = np.zeros((factor * NY, factor * NX), np.uint8)
    fits.PrimaryHDU(pixels, tan_header()).writeto(tmp_path / "a.fits")
    for given in (path, write(tmp_path / "a.png")):
        _, planes = read_picture(given)
        assert planes[0].wcs.pixel_shape == (NX, NY)


def test_unrelated_text_beside_a_picture(tmp_path):
    """A text file of the same name that is no header, or FITS without a WCS, is passed over."""
    (tmp_path / "a.txt").write_text("Notes on this picture: taken at 3 am.\nClear sky.\n")
    fits.PrimaryHDU().writeto(tmp_path / "a.fits")
    (tmp_path / "a.fit").write_bytes(b"SIMPLE  =")
    _, planes = read_picture(write(tmp_path / "a.png"))
    assert planes[0].wcs is None


def test_damaged_picture(tmp_path):
    """A picture that cannot be decoded is an error naming the file."""
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"nonsense")
    with pytest.raises(ImageError, match=r"a.png: must be a readable picture"):
        read_picture(path)


def test_real_avm(shared_data):
    """The Hubble XDF picture, cropped after its tags were written, is read without them."""
    path = shared_data / "hst" / "hubble_extreme_deep_field.jpg"
    assert avm_tags(path.read_bytes())["ReferenceValue"] == ["53.122751", "-27.805089"]
    with pytest.warns(InputWarning, match="3380 x 3286 pixels and this one has 1000 x 872"):
        names, planes = read_picture(path)
    assert names == ("blue", "green", "red")
    assert planes[0].shape == (872, 1000)
