"""Files that are written whole or not at all."""

import errno
import os

import pytest

from astro_yolo._files import reading, replacing


def test_a_file_of_another_process_is_kept(tmp_path):
    """What came into being while a file was written is kept, unless files may be replaced."""
    path = tmp_path / "a.txt"
    with (
        pytest.raises(FileExistsError, match=r"a\.txt exists already; overwrite=True"),
        replacing(path, overwrite=False) as part,
    ):
        part.write_text("mine")
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    with replacing(path, overwrite=True) as part:
        part.write_text("mine")
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("named", [True, False])
def test_errors_of_writing_name_the_file(tmp_path, named):
    """A full disk and a folder that is read-only are told of the file, not of its temporary one."""
    path = tmp_path / "a.txt"
    with (
        pytest.raises(OSError, match="No space left") as caught,
        replacing(path, overwrite=False) as part,
    ):
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left", *([str(part)] if named else []))
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_removal_hides_no_error(tmp_path, monkeypatch):
    """On a disk that is read-only the temporary file cannot be removed, nor could it be made."""

    def refuse(path, **_):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    path = tmp_path / "a.txt"
    with (
        pytest.raises(OSError, match="Read-only") as caught,
        replacing(path, overwrite=False) as part,
    ):
        refuse(part)
    assert caught.value.filename == str(path)


def test_errors_of_libraries_name_the_file(tmp_path):
    """An error that is a sentence alone, as Astropy's, gets the file before it."""
    path = tmp_path / "a.fits"
    with (
        pytest.raises(OSError, match=r"a\.fits: not enough space"),
        replacing(path, overwrite=False),
    ):
        raise OSError("not enough space")


def test_errors_about_other_files_stay(tmp_path):
    """An error that names another file, one that is read meanwhile, is passed on as it is."""
    other = FileNotFoundError(errno.ENOENT, "No such file", "other")
    with (
        pytest.raises(FileNotFoundError) as caught,
        replacing(tmp_path / "a.txt", overwrite=False),
    ):
        raise other
    assert caught.value is other


def test_errors_of_readers_name_the_file():
    """An error of any class that does not name the file gets its name; others stay as they are."""
    for error, kind in ((KeyError("x"), ValueError), (OSError("cut off"), OSError)):
        with pytest.raises(kind, match=r"path must be a table, got a\.fits: '?(x|cut off)"), \
                reading("a.fits", "a table"):
            raise error
    for error in (FileNotFoundError(errno.ENOENT, "No such file", "a.fits"), ImportError("none")):
        with pytest.raises(type(error)) as caught, reading("a.fits", "a table"):
            raise error
        assert caught.value is error


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    """Also where nothing is there yet; whose own folder it is decides on the temporary file."""
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "link.txt", tmp_path / "there" / "a.txt"
    link.symlink_to(target)
    for text in ("one", "two"):
        with replacing(link, overwrite=True) as part:
            assert part.parent == target.parent
            part.write_text(text)
        assert link.is_symlink()
        assert target.read_text() == text


def test_a_pipe_is_no_file(tmp_path):
    """It would be gone, and who reads it would wait for ever; a device would be gone as well."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/null"):
        with (
            pytest.raises(OSError, match=r"path must be a file, got the pipe or device"),
            replacing(path, overwrite=True),
        ):
            pass
    assert pipe.is_fifo()
