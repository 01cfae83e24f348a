#!/usr/bin/env python3
"""What all programs have in common before they do anything: version, usage, standard streams.

usage: start_up_test.py BIN_DIR TEST...     runs tests of StartUp by name
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

BIN = ""
COMMANDS = [["s2p"], ["s2p", "gallery"], ["s2p", "gallery", "add"], ["s2p", "train", "watch"],
            ["s2p", "keys"], ["s2p", "keys", "new"],
            ["s2p-server"], ["s2p-server", "backup"], ["s2p-server", "check"],
            ["s2p-server", "restore"], ["s2p-trainer"], ["s2p-trainer", "run"],
            ["s2p-trainer", "serve"], ["s2p-web"]]


def run(command, stdout=subprocess.PIPE, closed="", **environment):
    """Runs one of our programs; `closed` is the shell's redirection that closes streams first, such as ">&-"."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("S2P_")}
    inherited.update(environment)
    words = [os.path.join(BIN, command[0])] + command[1:]
    if closed:
        words = ["sh", "-c", 'exec "$@" ' + closed, "sh"] + words
    return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                          universal_newlines=True, env=inherited)


class StartUp(unittest.TestCase):
    def assert_usage(self, command, *words, **environment):
        ended = run(command, **environment)
        self.assertEqual(ended.returncode, 2, (command, ended.stderr))
        for word in words:
            self.assertIn(word, ended.stderr, command)

    def test_every_program_and_command_says_the_same_version(self):
        versions = set()
        for command in COMMANDS:
            ended = run(command + ["--version"])
            self.assertEqual((ended.returncode, ended.stderr), (0, ""), command)
            match = re.fullmatch(r"(\S+) (\d+\.\d+\.\d+)\n", ended.stdout)
            self.assertTrue(match, ended.stdout)
            self.assertEqual(match.group(1), command[0])
            versions.add(match.group(2))
        self.assertEqual(len(versions), 1)

    def test_trainer_starts_its_libraries_once(self):
        with tempfile.TemporaryDirectory() as folder:
            run(["s2p-trainer", "--version"], LD_DEBUG="files",
                LD_DEBUG_OUTPUT=os.path.join(folder, "loader"))
            log = ""
            for name in os.listdir(folder):
                with open(os.path.join(folder, name)) as file:
                    log += file.read()
        started = re.findall(r"calling init: \S*/libtorch_cpu\.so", log)
        self.assertEqual(len(started), 1)

    def test_answer_that_cannot_be_written_is_a_failure(self):
        for command in ([c + ["--version"] for c in COMMANDS] +
                        [["s2p", "--help"], ["s2p-web", "--help"], ["s2p", "completion", "bash"]]):
            with open("/dev/full", "w") as full:
                for ended in (run(command, stdout=full), run(command, closed=">&-")):
                    self.assertEqual(ended.returncode, 1, command)
                    self.assertIn("standard output is closed or full", ended.stderr)

    def test_closed_input_and_error_output_do_not_matter(self):
        for closed in ("<&-", "2>&-", "<&- 2>&-"):
            ended = run(["s2p", "completion", "bash"], closed=closed)
            self.assertEqual(ended.returncode, 0)
            self.assertIn("complete -o default", ended.stdout)

    def test_closed_streams_get_no_other_file(self):
        with tempfile.TemporaryDirectory() as folder:
            spec = os.path.join(folder, "spec")
            os.mkfifo(spec)
            program = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh",
                                        os.path.join(BIN, "s2p"), "train", "submit", spec])
            with open(spec, "w"):  # Opens when the program reads it.
                files = [os.readlink("/proc/%d/fd/%d" % (program.pid, n)) for n in range(3)]
            program.wait()
        self.assertEqual(files, ["/dev/null"] * 3)

    def test_forgotten_value_is_refused_and_both_flags_are_named(self):
        here = "127.0.0.1:1"
        for command in (["s2p-web", "--server", "--trainer", here],
                        ["s2p", "--server", "--timeout", "1", "gallery", "stats"],
                        ["s2p", "search", "--montage", "--json", "sketch.png"],
                        ["s2p-server", "--data-dir", "--listen", here],
                        ["s2p-server", "check", "--data-dir", "--config", "x"],
                        ["s2p-trainer", "serve", "--state-dir", "--http", here]):
            flags = [word for word in command if word.startswith("--")]
            self.assert_usage(command, flags[0] + " has no value", flags[1])

    def test_long_flag_with_one_dash_is_shown_with_two(self):
        for command in (["s2p", "-server", "a:1", "gallery", "stats"], ["s2p-web", "-server", "a:1"],
                        ["s2p-server", "-listen=a:1"], ["s2p-trainer", "serve", "-listen", "a:1"]):
            self.assert_usage(command, "flags have two dashes: --")

    def test_addresses_are_checked_at_start(self):
        server = ["s2p-server", "--checkpoint-root", "x", "--data-dir", "y"]
        trainer = ["s2p-trainer", "serve", "--state-dir", "x", "--checkpoint-root", "y",
                   "--data-root", "z"]
        for text in ("127.0.0.1", "127.0.0.1:70000", " 127.0.0.1:1", "127.0.0.1:1 ", ""):
            for command in (["s2p", "gallery", "stats", "--server="], ["s2p-web", "--server="],
                            ["s2p-web", "--listen="], server + ["--listen="], server + ["--http="],
                            trainer + ["--listen="], trainer + ["--http="]):
                flag = command[-1]
                self.assert_usage(command[:-1] + [flag + text], flag[:-1], "'" + text + "'")
        self.assert_usage(["s2p-web", "--trainer", "127.0.0.1"], "--trainer")

    def test_empty_address_in_the_environment_is_not_the_default(self):
        self.assert_usage(["s2p", "gallery", "stats"], "S2P_SERVER", S2P_SERVER="")
        self.assert_usage(["s2p-web"], "S2P_SERVER", S2P_SERVER="")
        self.assert_usage(["s2p-web"], "S2P_LISTEN", S2P_LISTEN="")

    def test_name_that_starts_with_a_dash_gets_a_remedy(self):
        self.assert_usage(["s2p", "gallery", "rm", "-x"], "goes after --")
        ended = run(["s2p", "--server", "127.0.0.1:1", "gallery", "rm", "--", "-x"])
        self.assertIn("no server answers at 127.0.0.1:1", ended.stderr)

    def test_locale_time_zone_and_home_change_nothing(self):
        plain = run(["s2p-server", "--help"])
        for environment in ({"LC_ALL": "de_DE.UTF-8"}, {"LC_ALL": "xx_YY"}, {"LANG": "\xff"},
                            {"TZ": "Nowhere/Odd"}, {"TZ": ":"}, {"HOME": ""}):
            ended = run(["s2p-server", "--help"], **environment)
            self.assertEqual((ended.returncode, ended.stdout), (0, plain.stdout), environment)


if __name__ == "__main__":
    BIN = sys.argv[1]
    unittest.main(argv=sys.argv[:1] + ["StartUp." + name for name in sys.argv[2:]])
