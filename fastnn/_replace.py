"""Files that are replaced as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """The name of a new file beside `path`, which takes its place when the block ends well, and is gone if not.

    A symbolic link stays one, to the new file; a file that is replaced hands on its permissions.  Folders, devices and
    pipes are refused.
    """
    import stat
    import tempfile

    path = os.path.realpath(os.fsdecode(path))
    mode = _mode(path)
    if not stat.S_ISREG(mode):
        raise OSError(f"expected a regular file, or none, to replace; got {path!r}")
    try:
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=os.path.basename(path) + ".")
    except OSError as error:  # it names the new file, which nobody has heard of
        raise type(error)(error.errno, error.strerror, path) from None
    os.close(handle)
    try:
        yield temporary
        _sync(temporary, os.O_RDWR)
        os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, path)
        if os.name == "posix":  # the new name itself outlasts a power cut, where folders can be opened
            _sync(os.path.dirname(path), os.O_RDONLY)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):  # renamed already
            os.unlink(temporary)
        raise


def _mode(path: str) -> int:
    """Kind and permissions of a file, or those that a new one gets."""
    import stat

    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return stat.S_IFREG | 0o666 & ~umask


def _sync(path: str, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
