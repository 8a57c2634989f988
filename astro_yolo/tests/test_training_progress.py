"""What long steps say on standard error."""

import sys

from astro_yolo.training import _progress
from astro_yolo.training._progress import progress_bar


def test_a_log_gets_a_line_now_and_then(capsys, monkeypatch):
    """Half a minute passes before the second step: a line, and one at the end."""
    clock = iter([0.0, 1.0, 40.0, 41.0, 42.0])
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    with progress_bar(4, show=True, of="field") as step:
        for _ in range(4):
            step()
    assert capsys.readouterr().err == "field 2 of 4\nfield 4 of 4\n"


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    """What is counted, and how much of it is done."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_bar(3, show=True, of="frame") as step:
        for _ in range(3):
            step()
    shown = capsys.readouterr().err
    assert shown.startswith("frames:\n")
    assert "3 /" in shown or "3/" in shown


def test_nothing_is_said_unasked(capsys):
    """Neither without ``show`` nor where there is nothing to do."""
    for total, show in ((3, False), (0, True)):
        with progress_bar(total, show=show) as step:
            step()
    assert capsys.readouterr() == ("", "")
