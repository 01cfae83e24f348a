"""A copy of this system, in which root can install packages and start services, and which ends with the script that
runs in it: an overlay over the system's files, in memory. The system itself stays as it is.
"""
import os
import subprocess
import tempfile
import unittest

# The copy is /mnt/root; /changes in it has the files that it has and the system has not.
MAKE = """
set -eu
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mount --rbind /dev /mnt/root/dev
mount -t tmpfs -o mode=755 tmpfs /mnt/root/run
mkdir /mnt/root/changes
mount --bind /mnt/upper /mnt/root/changes
"""
MOUNT_FOLDER = """
mkdir '/mnt/root/%s'
mount --bind '%s' '/mnt/root/%s'
"""
ENTER = """
mount --rbind /proc /mnt/root/proc
exec chroot /mnt/root sh -eu
"""
# Prints the files of /changes, apart from what every installation and every new user changes.
CHANGED = r"""
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
changed() {
  (cd /changes && find . ! -type d ! -type c | sed 's/^.//' | sort |
    grep -vE '^/var/(cache|log|lib/dpkg)/|^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|^/etc/.pwd.lock$') || true
}
"""
# Processes, control groups and the network are the copy's own.
MOUNT_FOR_SYSTEMD = """
mount -t proc proc /mnt/root/proc
mount -t sysfs sysfs /mnt/root/sys
groups=/mnt/root/sys/fs/cgroup
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 $groups
else
  mount -t tmpfs -o mode=755 tmpfs $groups
  mkdir $groups/systemd $groups/unified
  mount -t cgroup -o none,name=systemd cgroup $groups/systemd
  mount -t cgroup2 cgroup2 $groups/unified
fi
"""
BOOT = """
cat >/mnt/root/etc/systemd/system/s2p-test.service <<'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/sh -eu /results/script
ExecStopPost=/bin/systemctl --no-block exit
StandardOutput=file:/results/output
StandardError=inherit
UNIT
exec env -i container=s2p PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
  chroot /mnt/root /lib/systemd/systemd --system --unit=s2p-test.service --log-target=console
"""


def _unshare(flags, script, **options):
    return subprocess.run(["unshare", "--mount", *flags, "sh", "-c", script], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, **options)


def _need(flags, script):
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root can make a copy of the system")
    probe = _unshare(flags, script, input="exit 0")
    if probe.returncode != 0:
        raise unittest.SkipTest("a copy of the system cannot be made here: " + probe.stdout)


def _make(folders):
    return MAKE + "".join(MOUNT_FOLDER % (name, path, name) for name, path in folders.items())


def run(script, folders):
    """Runs a shell script in a copy, in which each NAME: PATH of `folders` is /NAME. Returns its output, both streams;
    an AssertionError if it fails. SkipTest if copies cannot be made here."""
    make = _make(folders) + ENTER
    _need([], make)
    ran = _unshare([], make, input=CHANGED + script)
    if ran.returncode != 0:
        raise AssertionError("exit code %d\n%s" % (ran.returncode, ran.stdout))
    return ran.stdout


def run_under_systemd(prepare, script, folders):
    """Does as `run` does, but systemd runs the copy, and the script is a service; `prepare` runs before that."""
    if not os.path.exists("/lib/systemd/systemd"):
        raise unittest.SkipTest("systemd is not installed")
    alone = ["--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", "--cgroup"]
    with tempfile.TemporaryDirectory() as results:
        make = _make(dict(folders, results=results)) + MOUNT_FOR_SYSTEMD
        _need(alone, make)
        with open(os.path.join(results, "script"), "w", encoding="utf-8") as file:
            file.write(CHANGED + script + "\necho done\n")
        ran = _unshare(alone, make + "chroot /mnt/root sh -eu <<'PREPARE'\n" + CHANGED + prepare + "\nPREPARE\n" + BOOT,
                       stdin=subprocess.DEVNULL)
        output = os.path.join(results, "output")
        said = ""
        if os.path.exists(output):
            with open(output, encoding="utf-8") as file:
                said = file.read()
        if not said.endswith("\ndone\n"):
            raise AssertionError("exit code %d\n%s\n%s" % (ran.returncode, ran.stdout, said))
        return said
