"""From a query to a training set, offline, through the real astroquery code."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from astropy.table import Table

from astro_yolo._sky import pixel_to_sky
from astro_yolo.catalog import CLASSES
from astro_yolo.config import conf
from astro_yolo.exceptions import AstroYoloWarning, ImageError
from astro_yolo.image import read_image
from astro_yolo.stretch import to_rgb
from astro_yolo.tests.sky_server import small_sdss
from astro_yolo.training import queries
from astro_yolo.training._frame_labels import LabelError, label_frame
from astro_yolo.training.download import download_frames
from astro_yolo.training.export_sets import DatasetError, SkyField, export_dataset
from astro_yolo.training.galaxy_zoo import GZ1_COLUMNS, GZ2_COLUMNS
from astro_yolo.training.recipes import RECIPES, RecipeError
from astro_yolo.training.sky_splits import SplitError

NUMBERS = (94, 1, 12)
PARTS = pytest.mark.filterwarnings("ignore:no field of the set is in the split")


@pytest.fixture(scope="module")
def made(shared_data, tmp_path_factory):
    """A T5 set of field 94-1-12, by query, download and export; its folders and its galaxies."""
    pytest.importorskip("astroquery")
    folder = tmp_path_factory.mktemp("sets")
    with (
        pytest.MonkeyPatch.context() as patch,
        small_sdss(shared_data) as server,
        conf.set_temp("sas_base_url", server.url),
        conf.set_temp("skyserver_base_url", server.url),
    ):
        patch.setattr(queries, "_INTERVAL", 0.01)
        store = {"cache_dir": folder / "queries"}
        (row,) = queries.fields_with_galaxies(zoo="zoo2Stripe82Normal", **store)
        numbers = (int(row["run"]), int(row["camcol"]), int(row["field"]))
        download_frames([numbers], folder / "frames")
        catalog = queries.field_catalog(*numbers, **store)
        votes = queries.field_votes(*numbers, zoo="zoo2Stripe82Normal", **store)
    sky_field = SkyField(*numbers, catalog, votes)
    with pytest.warns(AstroYoloWarning, match="in the split val"):
        marker = export_dataset(
            [sky_field], folder / "frames", folder / "T5", "T5", assign={NUMBERS: "train"}
        )
    return marker.parent, folder / "frames", sky_field


def yolo_boxes(path, shape):
    """Return classes and pixel edges of a label file."""
    rows = np.loadtxt(path, ndmin=2)
    x, y, w, h = (rows[:, 1:] * [shape[1], shape[0], shape[1], shape[0]]).T
    return rows[:, 0].astype(int), np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1)


def test_boxes_stand_where_sdss_measured_the_galaxies(made):
    """Box centres are COLC, ROWC of the catalogue, sides 2.1 Petrosian radii, all >= 22 px."""
    out, _, sky_field = made
    path = out / "labels/train/000094-1-0012-LH.txt"
    _, boxes = yolo_boxes(path, (1489, 2048))
    by_id = {int(n): k for k, n in enumerate(sky_field.catalog["objID"])}
    voted = sky_field.catalog[[by_id[int(n)] for n in sky_field.votes["objID"]]]
    voted = voted[2.1 * voted["petroRad_r"] / 0.396 >= 22]
    assert len(boxes) == len(voted) >= 4
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    for row in voted:
        side = 2.1 * row["petroRad_r"] / 0.396
        x, y = row["colc_r"], row["rowc_r"]
        if min(x, y, 2048 - x, 1489 - y) < side / 2:
            continue  # cut at the edge of the frame
        # SDSS counts the middle of the first pixel as 0.5, as edge pixels do
        distance = np.hypot(*(middle - [x, y]).T)
        # the frame's own WCS is off its catalogue by 0.06 pixels in the median, 0.3 at most
        assert distance.min() < 0.35
        width = (boxes[:, 2] - boxes[:, 0])[distance.argmin()]
        assert width == pytest.approx(side, abs=0.01)


def test_pictures_are_the_recipes(made):
    """One picture a filter, with its pixels to JPEG's accuracy and the frame's row order."""
    out, frames, _ = made
    names = sorted(p.name for p in (out / "images/train").iterdir())
    assert names == ["000094-1-0012-LH.jpg", "000094-1-0012-SH.jpg"]
    folder = frames / "dr17/301/94/1"
    image = read_image({b: folder / f"frame-{b}-000094-1-0012.fits.bz2" for b in "gri"})
    channels = [np.nan_to_num(plane) for plane in image.data[::-1]]
    for name in ("LH", "SH"):
        got = cv2.imread(str(out / f"images/train/000094-1-0012-{name}.jpg"))[..., ::-1]
        assert got.shape == (1489, 2048, 3)
        assert np.abs(got.astype(int) - to_rgb(channels, name)).mean() < 3


def test_every_other_galaxy_is_ignored(made):
    """Galaxies without a class or too small are in ``ignore`` and crowds of COCO."""
    out, _, sky_field = made
    ignored = (out / "ignore/train/000094-1-0012-SH.txt").read_text().splitlines()
    objects = (out / "labels/train/000094-1-0012-SH.txt").read_text().splitlines()
    assert len(ignored) + len(objects) == len(sky_field.catalog)
    coco = json.loads((out / "coco-train.json").read_text())
    assert len(coco["images"]) == 2
    crowd = [a for a in coco["annotations"] if a["iscrowd"]]
    assert len(crowd) == 2 * len(ignored) * len(CLASSES)
    kinds = [a["category_id"] - 1 for a in coco["annotations"] if not a["iscrowd"]]
    assert sorted(kinds) == sorted(2 * [int(line.split()[0]) for line in objects])


def test_coco_reads_it(made):
    """pycocotools loads the file, and the labels scored against themselves are perfect."""
    coco_module = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    truth = coco_module.COCO(str(made[0] / "coco-train.json"))
    found = [{"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"],
              "score": 0.9} for a in truth.anns.values() if not a["iscrowd"]]  # fmt: skip
    # a detection on an ignored galaxy costs nothing
    found += [{**found[0], "bbox": a["bbox"], "score": 0.99, "image_id": a["image_id"]}
              for a in list(truth.anns.values()) if a["iscrowd"]][:5]  # fmt: skip
    scoring = evaluation.COCOeval(truth, truth.loadRes(found), "bbox")
    scoring.evaluate()
    scoring.accumulate()
    scoring.summarize()
    assert scoring.stats[1] == pytest.approx(1)


def test_ultralytics_reads_it(made):
    """Stock ultralytics finds pictures, boxes and names through data.yaml."""
    data = pytest.importorskip("ultralytics.data.utils")
    marker = made[0] / "data.yaml"
    info = data.check_det_dataset(str(marker), autodownload=False)
    assert list(info["names"].values()) == list(CLASSES)
    dataset = pytest.importorskip("ultralytics.data").YOLODataset(
        img_path=info["train"], data=info, augment=False
    )
    assert len(dataset) == 2
    lines = (made[0] / "labels/train/000094-1-0012-SH.txt").read_text().splitlines()
    assert len(dataset.labels[1]["cls"]) == len(lines)


def test_table_of_objects(made):
    """Objects count once whatever the filters; published numbers stand beside."""
    table = Table.read(made[0] / "objects.ecsv")
    lines = (made[0] / "labels/train/000094-1-0012-SH.txt").read_text().splitlines()
    assert table["split"].tolist() == ["train", "val", "test"]
    assert table["objects"].tolist() == [len(lines), 0, 0]
    assert table["images"].tolist() == [2, 0, 0]
    assert table["published_images"].tolist() == [22_020, 1161, 0]
    assert table["published_objects"].tolist() == [34_766, 3966, 0]
    kinds = [int(line.split()[0]) for line in lines]
    assert [int(table[name][0]) for name in CLASSES] == [kinds.count(k) for k in range(5)]


@PARTS
def test_an_interrupted_set_goes_on(made):
    """Pictures that are there are not written again; what is missing is."""
    out, frames, sky_field = made
    kept, lost = (out / f"images/train/000094-1-0012-{name}.jpg" for name in ("LH", "SH"))
    before, whole = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    (out / "data.yaml").unlink()
    export_dataset([sky_field], frames, out, "T5", assign={NUMBERS: "train"})
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == whole
    assert (out / "data.yaml").is_file()


@PARTS
def test_labels_that_were_deleted_come_back(made):
    """The same command writes labels anew: pictures without them would hold nothing but sky."""
    out, frames, sky_field = made
    folders = out / "labels", out / "ignore"
    whole = {path: path.read_bytes() for f in folders for path in f.rglob("*.txt")}
    assert len(whole) == 4
    for folder in folders:
        shutil.rmtree(folder)
    export_dataset([sky_field], frames, out, "T5", assign={NUMBERS: "train"})
    assert {path: path.read_bytes() for path in whole} == whole


@PARTS
def test_labels_that_were_edited_stay(made):
    """The same command leaves the labels of a picture that is there as they are."""
    out, frames, sky_field = made
    edited = next((out / "labels").rglob("*.txt"))
    before = edited.read_text()
    edited.write_text("1 0.5 0.5 0.1 0.1\n")
    export_dataset([sky_field], frames, out, "T5", assign={NUMBERS: "train"})
    assert edited.read_text() == "1 0.5 0.5 0.1 0.1\n"
    edited.write_text(before)


def test_a_folder_of_something_else_is_left_alone(made):
    """Another recipe does not go into a folder that holds a set, nor into a user's own folder."""
    out, frames, sky_field = made
    with pytest.raises(DatasetError, match="is not this set of recipe T1"):
        export_dataset([sky_field], frames, out, "T1", assign={NUMBERS: "train"})
    assert (out / "data.yaml").is_file()


def test_other_boxes_or_frames_are_another_set(made, tmp_path):
    """``recipe.json`` tells boxes and release; a set of others does not go on in the folder."""
    out, frames, sky_field = made
    state = json.loads((out / "recipe.json").read_text())
    assert (state["box_radii"], state["min_side"]) == (2.1, 22)
    assert (state["rerun"], state["data_release"]) == (301, 17)
    assert "boxes of 2.1 Petrosian radii from 22 pixels" in (out / "data.yaml").read_text()
    wide = replace(RECIPES["T5"].selection, box_radii=3.0)
    recipe = replace(RECIPES["T5"], selection=wide)
    with pytest.raises(DatasetError, match=r"not this set of recipe T5 \(not the same box_radii\)"):
        export_dataset([sky_field], frames, out, recipe, assign={NUMBERS: "train"})
    (tmp_path / "dr16").symlink_to(frames / "dr17")
    with pytest.raises(DatasetError, match=r"\(not the same data_release\)"):
        export_dataset(
            [sky_field], tmp_path, out, "T5", data_release=16, assign={NUMBERS: "train"}
        )
    assert (out / "data.yaml").is_file()


@PARTS
def test_numbers_of_a_table_are_the_same_field(made):
    """A field whose numbers are numpy's goes on with the set that Python's numbers began."""
    out, frames, sky_field = made
    same = SkyField(*np.array(NUMBERS), sky_field.catalog, sky_field.votes)
    assert export_dataset([same], frames, out, "T5", assign={NUMBERS: "train"}).is_file()


@PARTS
def test_ignored_galaxies_can_be_painted_over(made, tmp_path):
    """With ``blank_ignored`` an ignored galaxy becomes sky, and objects stay as they are."""
    plain, frames, sky_field = made
    out = tmp_path / "T1"
    export_dataset(
        [sky_field], frames, out, "T5", assign={NUMBERS: "train"}, blank_ignored=True
    )
    name = "train/000094-1-0012-SH"
    before, after = (cv2.imread(str(p / f"images/{name}.jpg")) for p in (plain, out))
    rows = np.loadtxt(out / f"ignore/{name}.txt")
    large = rows[np.argsort(-rows[:, 2])][:20] * [2048, 1489, 2048, 1489]
    places = large[:, 1].astype(int), large[:, 0].astype(int)
    assert before[places].mean() > after[places].mean() + 15  # the sky is at 39


def test_bad_input_is_named_and_leaves_no_set(made, tmp_path):
    """No field, no object, a missing or damaged frame and a missing column are told apart."""
    _, frames, sky_field = made
    out = tmp_path / "set"
    with pytest.raises(RecipeError, match="must be one or more, got none"):
        export_dataset([], frames, out, "T1")
    with pytest.raises(RecipeError, match="one of T1"):
        export_dataset([sky_field], frames, out, "T9")
    with pytest.raises(DatasetError, match=r"frame-g-000094-1-0012\.fits\.bz2, which is not in"):
        export_dataset([sky_field], tmp_path, out, "T1")
    empty = SkyField(*NUMBERS, sky_field.catalog, None)
    with pytest.raises(DatasetError, match="must hold an object of recipe T1, got none in 1"):
        export_dataset([empty], frames, tmp_path / "two", "T1", assign={NUMBERS: "train"})
    assert not list((tmp_path / "two").iterdir())  # another call may use it
    assert not list(tmp_path.rglob("data.yaml"))
    image_free = Table({"objID": [1], "ra": [1.0], "dec": [1.0]})
    with pytest.raises(LabelError, match="column petroRad_r, which is missing"):
        label_frame(image_free, None, None, (10, 10), RECIPES["T1"].selection)
    image_free["petroRad_r"] = 9.0
    with pytest.raises(LabelError, match="votes must have the column objID"):
        label_frame(
            image_free, Table({"dr8objid": [1]}), None, (10, 10), RECIPES["T1"].selection
        )


def test_damaged_frame_is_refused(made, tmp_path):
    """A truncated frame in the folder is never used."""
    _, frames, sky_field = made
    folder = tmp_path / "dr17/301/94/1"
    folder.mkdir(parents=True)
    for band in "gri":
        name = f"frame-{band}-000094-1-0012.fits.bz2"
        data = (frames / "dr17/301/94/1" / name).read_bytes()
        Path(folder / name).write_bytes(data[:-100] if band == "r" else data)
    with pytest.raises(ImageError, match=r"frame-r-000094-1-0012"):
        export_dataset([sky_field], tmp_path, tmp_path / "set", "T1")


def test_mixed_bands_are_refused(made, tmp_path):
    """An i frame under the name of r is told by its FILTER; no set is left."""
    _, frames, sky_field = made
    folder = tmp_path / "dr17/301/94/1"
    folder.mkdir(parents=True)
    for band, of in (("g", "g"), ("r", "i"), ("i", "i")):
        source = frames / "dr17/301/94/1" / f"frame-{of}-000094-1-0012.fits.bz2"
        shutil.copy(source, folder / f"frame-{band}-000094-1-0012.fits.bz2")
    with pytest.raises(ImageError, match=r"band 'r': the FILTER keyword of .*must agree, got 'i'"):
        export_dataset([sky_field], tmp_path, tmp_path / "set", "T1")
    assert not (tmp_path / "set" / "data.yaml").exists()


def test_a_corrected_call_may_use_the_folder(made, tmp_path):
    """A missing frame, a split that is none and a field that is not in the set are told first."""
    _, frames, sky_field = made
    other, out = SkyField(1, 2, 3, sky_field.catalog), tmp_path / "set"
    for fields, assign, rule in (
        ([sky_field, other], {NUMBERS: "train"}, r"frame-g-000001-2-0003"),
        ([sky_field], {NUMBERS: "valid"}, "assign must put field 94/1/12 into train, val, test"),
        ([sky_field], {NUMBERS: ""}, "got ''"),
        ([sky_field], {NUMBERS: "train", (1, 2, 3): "val"}, "and 1/2/3 is not among its 1"),
    ):
        with pytest.raises((DatasetError, SplitError), match=rule):
            export_dataset(fields, frames, out, "T1", assign=assign)
        assert not out.exists()


def test_masked_and_missing_votes_are_none(made):
    """A galaxy whose votes are masked or -9999 is ignored, not an object of the class unknown."""
    frames = made[1]
    image = read_image(frames / "dr17/301/94/1/frame-r-000094-1-0012.fits.bz2")
    ra, dec = pixel_to_sky(image.wcs, np.array([500.0, 800, 1100]), np.array([700.0] * 3))
    columns = {"objID": [1, 2, 3], "ra": ra, "dec": dec, "petroRad_r": [9.0] * 3}
    catalog = Table(columns, masked=True)
    for name in GZ1_COLUMNS:
        catalog[name] = [0.0, 0.0, -9999.0]
    catalog["p_el"] = np.ma.MaskedArray([1.0, 0.5, -9999.0], mask=[False, True, False])
    labels = label_frame(catalog, None, image.wcs, image.shape, RECIPES["T1"].selection)
    assert labels.ids.tolist() == [1]
    assert [CLASSES[kind] for kind in labels.kinds] == ["elliptical"]
    assert len(labels.ignored) == 2
    catalog["petroRad_r"].mask[0] = True  # below the mask stands 9
    again = label_frame(catalog, None, image.wcs, image.shape, RECIPES["T1"].selection)
    assert len(again.boxes) == 0


def test_rows_of_galaxy_zoo_2_without_votes_do_not_count(made):
    """Zero, NaN, masked and -9999 leave the class of Galaxy Zoo 1; real votes replace it."""
    image = read_image(made[1] / "dr17/301/94/1/frame-r-000094-1-0012.fits.bz2")
    ra, dec = pixel_to_sky(image.wcs, np.arange(300.0, 1500, 200), np.full(6, 700.0))
    catalog = Table({"objID": range(1, 7), "ra": ra, "dec": dec, "petroRad_r": [9.0] * 6})
    for name in GZ1_COLUMNS:
        catalog[name] = [float(name == "p_el")] * 5 + [0.0]
    votes = Table({"objID": range(1, 7)}, masked=True)
    for key, name in GZ2_COLUMNS.items():
        spiral = float(key in {"features", "face_on", "spiral", "not_odd"})
        column = np.ma.MaskedArray([0.0, np.nan, spiral, -9999, spiral, 0.0])
        column[2] = np.ma.masked
        votes[f"{name}_debiased"] = column
    labels = label_frame(catalog, votes, image.wcs, image.shape, RECIPES["T1"].selection)
    assert labels.ids.tolist() == [1, 2, 3, 4, 5]  # the sixth has no vote anywhere
    assert [CLASSES[k] for k in labels.kinds] == ["elliptical"] * 4 + ["spiral"]
    assert len(labels.ignored) == 1
