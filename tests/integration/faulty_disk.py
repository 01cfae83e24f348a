"""A file system that passes everything on to a folder, and fails when it is told to.

usage: faulty_disk.py FOLDER MOUNT_POINT ORDERS     mounts until it is unmounted

ORDERS is a file, read again for each operation; an operation fails with the error that it names:

    change EROFS /        everything that changes the folder, syncing and opening for writing included
    sync EIO /            fsync and fdatasync alone
    read EIO /photos/     reading a file's bytes; here only of files whose paths contain /photos/

Needs python3-fusepy and the right to mount. Files that are open stay open, as on a disk that breaks.
"""
import errno
import os
import sys

import fusepy


class FaultyDisk(fusepy.Operations):
    # Times are integers of nanoseconds, so that copies keep them exactly.
    use_ns = True

    def __init__(self, folder, orders):
        self.folder = folder
        self.orders = orders

    def __call__(self, operation, path, *arguments):
        return super().__call__(operation, self.folder + path if path is not None else path, *arguments)

    def fail_if_told(self, what, path):
        try:
            with open(self.orders) as file:
                orders = [line.split() for line in file]
        except FileNotFoundError:
            return
        for operation, name, part in orders:
            if operation == what and part in path[len(self.folder):]:
                raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    # Looking.
    def access(self, path, mode):
        if not os.access(path, mode):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    def getattr(self, path, fh=None):
        found = os.stat(fh) if fh is not None else os.lstat(path)
        return {**{name: getattr(found, name) for name in (
            "st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")},
                **{name: getattr(found, name + "_ns") for name in ("st_atime", "st_mtime", "st_ctime")}}

    def readdir(self, path, fh):
        return [".", ".."] + os.listdir(path)

    def readlink(self, path):
        return os.readlink(path)

    def statfs(self, path):
        found = os.statvfs(path)
        return {name: getattr(found, name) for name in (
            "f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag",
            "f_frsize", "f_namemax")}

    def read(self, path, size, offset, fh):
        self.fail_if_told("read", path)
        return os.pread(fh, size, offset)

    # Changing.
    def open(self, path, flags):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            self.fail_if_told("change", path)
        return os.open(path, flags)

    def create(self, path, mode, fi=None):
        self.fail_if_told("change", path)
        return os.open(path, os.O_RDWR | os.O_CREAT, mode)

    def write(self, path, data, offset, fh):
        self.fail_if_told("change", path)
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        self.fail_if_told("change", path)
        os.truncate(path if fh is None else fh, length)

    def unlink(self, path):
        self.fail_if_told("change", path)
        os.unlink(path)

    def rename(self, old, new):
        self.fail_if_told("change", old)
        os.rename(old, self.folder + new)

    def mkdir(self, path, mode):
        self.fail_if_told("change", path)
        os.mkdir(path, mode)

    def rmdir(self, path):
        self.fail_if_told("change", path)
        os.rmdir(path)

    def chmod(self, path, mode):
        self.fail_if_told("change", path)
        os.chmod(path, mode)

    def utimens(self, path, times=None):
        self.fail_if_told("change", path)
        os.utime(path, ns=times)

    def fsync(self, path, datasync, fh):
        self.fail_if_told("change", path)
        self.fail_if_told("sync", path)
        (os.fdatasync if datasync else os.fsync)(fh)

    def fsyncdir(self, path, datasync, fh):
        self.fail_if_told("change", path)
        self.fail_if_told("sync", path)

    def flush(self, path, fh):
        return 0

    def release(self, path, fh):
        os.close(fh)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    # Files that are unlinked while they are open are gone at once, and the numbers of files are the
    # folder's.
    fusepy.FUSE(FaultyDisk(sys.argv[1].rstrip("/"), sys.argv[3]), sys.argv[2], foreground=True,
                hard_remove=True, use_ino=True)
