"""Makes the Debian packages of the programs as built, and looks into them.

usage: packages_test.py BUILD_DIR WORK_DIR prepare     makes the packages
       packages_test.py BUILD_DIR WORK_DIR TEST...     runs tests of Packages by name

WORK_DIR gets the packages, PACKAGE/ with the files of each and PACKAGE.control/ with its scripts, and
root/ with the files of all. A test that this machine does not allow ends with 77 and says why.
"""
import functools
import glob
import gzip
import os
import re
import shutil
import stat
import subprocess
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tools"))
sys.dont_write_bytecode = True
import flag_tables  # noqa: E402
import system_copy  # noqa: E402

BUILD = WORK = ""
# The program of each package that is a service, and the words that start it.
SERVICES = {"server": ["s2p-server"], "trainer": ["s2p-trainer", "serve"], "web": ["s2p-web"]}
PROGRAMS = dict({name: words[0] for name, words in SERVICES.items()}, client="s2p")
PROTOS = ("checkpoint", "feedback", "gallery", "model", "search", "training")
SKIPPED = 77


def run(*arguments, check=True, **options):
    result = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            universal_newlines=True, **options)
    if check and result.returncode != 0:
        raise AssertionError("%s\nexit code %d\n%s" % (" ".join(arguments), result.returncode, result.stdout))
    return result


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def path_of(component, path=""):
    return os.path.join(WORK, "sketch2photo-" + component, path)


def control(component, name):
    return os.path.join(WORK, "sketch2photo-%s.control" % component, name)


def package(component):
    return glob.glob(os.path.join(WORK, "sketch2photo-%s_*.deb" % component))[0]


def need(program):
    if shutil.which(program) is None:
        raise unittest.SkipTest(program + " is not installed")


def prepare():
    for program in ("dpkg-shlibdeps", "help2man"):
        need(program)
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(WORK)
    run("cpack", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", WORK)
    shutil.rmtree(os.path.join(WORK, "_CPack_Packages"))
    for component in (*PROGRAMS, "dev"):
        for where in (path_of(component), os.path.join(WORK, "root")):
            run("dpkg-deb", "--extract", package(component), where)
        run("dpkg-deb", "--control", package(component), control(component, ""))


def field(component, name):
    return run("dpkg-deb", "--field", package(component), name).stdout.strip()


def pages_of(component):
    return sorted(glob.glob(path_of(component, "usr/share/man/man1/*")))


def files_of(component):
    """Those that are no manual pages."""
    found = []
    for folder, _, names in os.walk(path_of(component)):
        found += [os.path.relpath(os.path.join(folder, name), path_of(component)) for name in names]
    return sorted(name for name in found if not name.startswith("usr/share/man/"))


def documents(component):
    return ["usr/share/doc/sketch2photo-%s/%s" % (component, name)
            for name in ("changelog.Debian.gz", "changelog.gz", "copyright")]


def service_files(component):
    program = PROGRAMS[component]
    return ["etc/sketch2photo/%s.toml" % component, "usr/bin/" + program,
            "usr/lib/systemd/system/%s.service" % program, *documents(component)]


@functools.lru_cache(maxsize=None)
def names_of_owner(file):
    """The package of this system that has `file`, and what it provides."""
    for path in (file, file.replace("/usr/lib/", "/lib/", 1)):
        found = run("dpkg", "-S", path, check=False)
        if found.returncode == 0:
            owner = found.stdout.split(":")[0]
            provided = run("dpkg-query", "--show", "--showformat", "${Provides}", owner).stdout
            return {owner, *re.findall(r"[\w.+-]+(?=[ ,]|$)", provided)}
    raise AssertionError("no package has " + file)


def on_a_copy_of_this_system(script):
    return system_copy.run(script, {"packages": WORK})


class Packages(unittest.TestCase):
    maxDiff = None

    def test_each_has_its_files_and_no_other(self):
        self.assertEqual(files_of("server"),
                         sorted(service_files("server") + ["usr/libexec/sketch2photo/s2p-decoder"]))
        for component in ("trainer", "web"):
            self.assertEqual(files_of(component), sorted(service_files(component)))
        self.assertEqual(files_of("client"), ["usr/bin/s2p", *documents("client")])
        self.assertEqual(files_of("dev"), sorted(
            documents("dev") + ["usr/share/doc/sketch2photo-dev/api.md"] +
            ["usr/share/sketch2photo/proto/s2p/v1/%s.proto" % name for name in PROTOS]))

    def test_files_are_roots_with_the_usual_modes(self):
        for component in (*PROGRAMS, "dev"):
            for line in run("dpkg-deb", "--contents", package(component)).stdout.splitlines():
                mode, owner, *_, path = line.split()
                self.assertEqual(owner, "root/root", line)
                executable = re.search("/bin/s2p|/s2p-decoder$", path)
                self.assertEqual(mode, "drwxr-xr-x" if path.endswith("/") else
                                 "-rwxr-xr-x" if executable else "-rw-r--r--", line)

    def test_every_library_is_a_dependency(self):
        for component in PROGRAMS:
            depends = re.findall(r"[\w.+-]+(?=(?: \([^)]*\))?(?:[,|]|$| \|))", field(component, "Depends"))
            for path in files_of(component):
                if not re.search("/bin/s2p|/s2p-decoder$", path):
                    continue
                wanted = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", path_of(component, path)).stdout)
                self.assertIn("libc.so.6", wanted)
                for line in run("ldd", path_of(component, path)).stdout.splitlines():
                    name, _, file = line.strip().split(" (")[0].partition(" => ")
                    # Packages share these names, of which alternatives choose one.
                    if name not in wanted or re.match("lib(blas|lapack)", name):
                        continue
                    self.assertTrue(names_of_owner(os.path.realpath(file)) & set(depends), (path, name, depends))

    def test_networks_are_not_computed_with_the_reference_blas(self):
        for component in ("server", "trainer"):
            self.assertRegex(field(component, "Depends"), r"\blibopenblas0-openmp\b")

    def test_programs_have_no_search_path_and_no_symbols(self):
        for component, program in PROGRAMS.items():
            path = path_of(component, "usr/bin/" + program)
            self.assertNotRegex(run("readelf", "-d", path).stdout, "RUNPATH|RPATH")
            self.assertNotIn(".symtab", run("readelf", "-S", "-W", path).stdout)

    def test_version_names_the_program_and_the_system(self):
        version = run(path_of("client", "usr/bin/s2p"), "--version").stdout.split()[1]
        for component in (*PROGRAMS, "dev"):
            self.assertRegex(field(component, "Version"), r"\A%s-1~deb\d+\Z" % re.escape(version))
        self.assertEqual(field("dev", "Architecture"), "all")

    def test_manual_pages_have_every_flag_of_every_command(self):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("S2P_")}
        for component, program in PROGRAMS.items():
            bare = path_of(component, "usr/bin/" + program)
            self.assertIn(program + ".1.gz", [os.path.basename(page) for page in pages_of(component)])
            for page in pages_of(component):
                with gzip.open(page, "rt", encoding="utf-8") as file:
                    text = file.read().replace("\\-", "-")
                # ".B s2p", and then the words of the command in italics.
                words = re.search(r"\n\.B %s\n(?:\\fI\\,([a-z -]+) )?" % program, text).group(1)
                words = words.split() if words else []
                self.assertEqual("-".join([program, *words]) + ".1.gz", os.path.basename(page))
                said = run(bare, *words, "--help", env=clean).stdout
                flags = re.findall(r"^  (?:-\w,)?(--[\w-]+)", said, re.MULTILINE)
                self.assertIn("--help", flags)
                for flag in flags:
                    self.assertRegex(text, r"(?m)^.*%s\b" % flag, page)
                self.assertNotIn(BUILD, text)
        self.assertEqual(len([page for page in pages_of("trainer")]), 14)
        self.assertIn("s2p-gallery-add.1.gz", [os.path.basename(page) for page in pages_of("client")])
        self.assertIn("s2p-server-rebuild.1.gz", [os.path.basename(page) for page in pages_of("server")])

    def test_settings_are_conffiles_of_all_flags_with_their_defaults(self):
        for component, (program, *words) in SERVICES.items():
            name = "etc/sketch2photo/%s.toml" % component
            self.assertEqual(read(control(component, "conffiles")), "/%s\n" % name)
            settings = read(path_of(component, name))
            flags = flag_tables.read_flags([path_of(component, "usr/bin/" + program), *words, "--help"])
            given = dict(re.findall(r"^#?([a-z][a-z-]*) = (.*)$", settings, re.MULTILINE))
            self.assertEqual({"--" + key for key in given} | {"--health", "--set-aside-orphans"},
                             {flag for flag, *_ in flags} | {"--health", "--set-aside-orphans"})
            for flag, kind, default, meaning in flags:
                if default:
                    self.assertEqual(given[flag[2:]].strip('"'), default)
                # A reader of the file finds the text of --help.
                if flag[2:] in given:
                    self.assertIn(" ".join(meaning.split())[:40], re.sub(r"\n# ", " ", settings), flag)

    def test_only_folders_are_set(self):
        self.assertEqual(
            {component: re.findall(r"^[^#\n].*", read(path_of(component, "etc/sketch2photo/%s.toml" % component)),
                                   re.MULTILINE) for component in SERVICES},
            {"server": ['checkpoint-root = "/var/lib/sketch2photo/checkpoints"',
                        'data-dir = "/var/lib/sketch2photo/server"'],
             "trainer": ['state-dir = "/var/lib/sketch2photo/trainer"',
                         'checkpoint-root = "/var/lib/sketch2photo/checkpoints"',
                         'data-root = "/var/lib/sketch2photo/datasets"'],
             "web": []})

    def test_settings_that_are_no_longer_commented_out_are_accepted(self):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("S2P_")}
        for component, (program, *words) in SERVICES.items():
            settings = read(path_of(component, "etc/sketch2photo/%s.toml" % component))
            file = os.path.join(WORK, "uncommented.toml")
            with open(file, "w", encoding="utf-8") as out:
                out.write(re.sub(r"(?m)^#([a-z][a-z-]* = )", r"\1", settings))
            # Nothing answers there: 1; a setting that is refused would be 2.
            listen = "--listen" if component == "web" else "--http"
            asked = run(path_of(component, "usr/bin/" + program), *words, "--config", file, "--health", listen,
                        "127.0.0.1:1", check=False, env=clean)
            self.assertEqual(asked.returncode, 1, asked.stdout)

    def test_units_are_sound(self):
        need("systemd-analyze")
        for words in SERVICES.values():
            unit = words[0] + ".service"
            # Complaints about the system's own units are no concern of ours.
            said = run("systemd-analyze", "verify", "--man=no", "--root=" + self.root_for_systemd(), unit, check=False)
            self.assertEqual([line for line in said.stdout.splitlines() if "s2p-" in line], [], said.stdout)
            self.assertEqual(said.returncode, 0, said.stdout)

    def test_fault_of_a_unit_is_found(self):
        need("systemd-analyze")
        root = self.root_for_systemd()
        path = os.path.join(root, "usr/lib/systemd/system/s2p-broken.service")
        with open(path, "w", encoding="utf-8") as file:
            file.write(read(path_of("web", "usr/lib/systemd/system/s2p-web.service"))
                       .replace("/usr/bin/s2p-web", "/usr/bin/s2p-nowhere"))
        said = run("systemd-analyze", "verify", "--man=no", "--root=" + root, "s2p-broken.service", check=False)
        os.remove(path)
        self.assertIn("s2p-nowhere", said.stdout)

    def test_units_leave_little_to_an_attacker(self):
        need("systemd-analyze")
        # In tenths; 100 is no protection at all. Programs with LibTorch may make memory executable.
        for program, most in (("s2p-server", 20), ("s2p-trainer", 20), ("s2p-web", 15)):
            said = run("systemd-analyze", "security", "--offline=yes", "--threshold=%d" % most,
                       "--root=" + self.root_for_systemd(), program + ".service", check=False)
            self.assertEqual(said.returncode, 0, said.stdout)
            print(said.stdout.splitlines()[-1])

    def root_for_systemd(self):
        """The files of all packages, with the units of this system that ours name."""
        root = os.path.join(WORK, "systemd")
        if not os.path.exists(root):
            shutil.copytree(os.path.join(WORK, "root"), root)
            units = os.path.join(root, "usr/lib/systemd/system")
            for unit in glob.glob("/lib/systemd/system/*.target"):
                shutil.copy(unit, units, follow_symlinks=True)
            for name in ("bin", "lib"):
                os.symlink("usr/" + name, os.path.join(root, name))
            shutil.copy("/bin/kill", os.path.join(root, "usr/bin/kill"))
        return root

    def test_lintian_finds_nothing(self):
        need("lintian")
        packages = [package(component) for component in (*PROGRAMS, "dev")]
        # The makers of packages name themselves with S2P_PACKAGE_CONTACT; there is no address of ours to name.
        nobody = "bogus-mail-host,bogus-mail-host-in-debian-changelog,root-in-contact"
        said = run("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0",
                   "--suppress-tags", nobody, *packages, check=False)
        self.assertEqual((said.returncode, said.stdout), (0, ""))

    def test_scripts_are_shell_that_stops_at_an_error(self):
        for component in SERVICES:
            for name in ("postinst", "prerm", "postrm"):
                script = control(component, name)
                self.assertEqual(stat.S_IMODE(os.stat(script).st_mode), 0o755)
                run("sh", "-n", script)
                self.assertIn("\nset -e\n", read(script))
                self.assertNotIn("@", read(script))
                if shutil.which("shellcheck"):
                    run("shellcheck", script)

    def test_installation_makes_user_and_folders(self):
        said = on_a_copy_of_this_system("""
dpkg --install /packages/*.deb >&2
echo; stat -c '%n %U:%G %a' /var/lib/sketch2photo /var/lib/sketch2photo/* /etc/sketch2photo/*
getent passwd _sketch2photo | cut -d: -f6,7
ls /etc/systemd/system/multi-user.target.wants | grep s2p
""")
        self.assertIn("""
/var/lib/sketch2photo root:root 755
/var/lib/sketch2photo/checkpoints _sketch2photo:_sketch2photo 750
/var/lib/sketch2photo/datasets _sketch2photo:_sketch2photo 750
/var/lib/sketch2photo/server _sketch2photo:_sketch2photo 750
/var/lib/sketch2photo/trainer _sketch2photo:_sketch2photo 750
/etc/sketch2photo/server.toml root:root 644
/etc/sketch2photo/trainer.toml root:root 644
/etc/sketch2photo/web.toml root:root 644
/var/lib/sketch2photo:/usr/sbin/nologin
s2p-server.service
s2p-trainer.service
s2p-web.service
""", said)

    def test_upgrade_keeps_settings_modes_data_and_the_operators_choice(self):
        said = on_a_copy_of_this_system("""
dpkg --install /packages/*.deb >&2
echo 'max-top-k = 7' >>/etc/sketch2photo/server.toml
echo photo >/var/lib/sketch2photo/server/gallery.db
chmod 700 /var/lib/sketch2photo/server
systemctl disable s2p-web.service >&2
mkdir /next
for package in /packages/*.deb; do
  dpkg-deb --raw-extract "$package" /next/unpacked
  sed -i 's/^Version: .*/&+next/' /next/unpacked/DEBIAN/control
  # The next version has another default.
  for settings in /next/unpacked/etc/sketch2photo/web.toml; do
    [ ! -e "$settings" ] || echo '#new = 1' >>"$settings"
  done
  dpkg-deb --root-owner-group -Znone --build /next/unpacked "/next/$(basename "$package")" >&2
  rm -r /next/unpacked
done
dpkg --install /next/*.deb >&2
echo
dpkg-query -W -f '${Version}\\n' 'sketch2photo-*' | grep -c +next
tail -n 1 /etc/sketch2photo/server.toml /etc/sketch2photo/web.toml
stat -c '%a' /var/lib/sketch2photo/server
cat /var/lib/sketch2photo/server/gallery.db
ls /etc/systemd/system/multi-user.target.wants | grep s2p
""")
        self.assertIn("""
5
==> /etc/sketch2photo/server.toml <==
max-top-k = 7

==> /etc/sketch2photo/web.toml <==
#new = 1
700
photo
s2p-server.service
s2p-trainer.service
""", said)
        self.assertNotIn("s2p-web.service\n", said.partition("photo\ns2p")[2])

    def test_removal_and_purge_leave_data_alone(self):
        said = on_a_copy_of_this_system("""
dpkg --install /packages/*.deb >&2
echo photo >/var/lib/sketch2photo/server/gallery.db
dpkg --remove sketch2photo-server >&2
echo; ls /etc/sketch2photo/server.toml /var/lib/sketch2photo/server/gallery.db
dpkg --purge sketch2photo-server sketch2photo-trainer sketch2photo-web sketch2photo-client sketch2photo-dev >&2
echo; changed
getent passwd _sketch2photo | cut -d: -f1
""")
        self.assertIn("\n/etc/sketch2photo/server.toml\n/var/lib/sketch2photo/server/gallery.db\n", said)
        self.assertTrue(said.endswith("\n\n/var/lib/sketch2photo/server/gallery.db\n_sketch2photo\n"), said)
        self.assertIn("kept /var/lib/sketch2photo, which is not empty", said)

    def test_purge_without_data_leaves_nothing(self):
        said = on_a_copy_of_this_system("""
dpkg --install /packages/*.deb >&2
dpkg --purge sketch2photo-trainer >&2
echo; ls /var/lib/sketch2photo
dpkg --purge sketch2photo-server sketch2photo-web sketch2photo-client sketch2photo-dev >&2
echo; changed
getent passwd _sketch2photo || echo no user
""")
        self.assertIn("\ncheckpoints\nserver\n", said)
        self.assertTrue(said.endswith("\n\nno user\n"), said)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    BUILD, WORK = (os.path.abspath(path) for path in sys.argv[1:3])
    if sys.argv[3:] == ["prepare"]:
        try:
            prepare()
        except unittest.SkipTest as skipped:
            print("skipped:", skipped)
            sys.exit(SKIPPED)
        sys.exit(0)
    if not os.path.exists(os.path.join(WORK, "root")):
        print("skipped: there are no packages")
        sys.exit(SKIPPED)
    ran = unittest.main(argv=sys.argv[:1] + ["Packages." + name for name in sys.argv[3:]], exit=False).result
    for _, why in ran.skipped:
        print("skipped:", why)
    sys.exit(not ran.wasSuccessful() or (SKIPPED if ran.skipped else 0))
