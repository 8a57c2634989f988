"""Which detection belongs to which model galaxy."""

import numpy as np

from astro_yolo._model_galaxies import belongs_to


def test_detections_are_shared_out_closest_first():
    """A detection goes to what is nearest, one to one; a tie goes to what was there before."""
    before, galaxies = np.array([[10.0, 10], [50, 50]]), np.array([[12.0, 10], [50, 50], [90, 90]])
    found = np.array([[10.9, 10], [50, 50], [90, 91.5], [90, 90.5], [13.5, 10]])
    assert belongs_to(galaxies, np.full(3, 2.0), before, found).tolist() == [4, -1, 3]
    assert belongs_to(galaxies, np.full(3, 1.0), before, found).tolist() == [-1, -1, 3]
    assert belongs_to(galaxies, np.full(3, 2.0), before[:0], found).tolist() == [0, 1, 3]
    assert belongs_to(galaxies, np.full(3, 2.0), before, found[:0]).tolist() == [-1, -1, -1]
