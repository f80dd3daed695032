"""The documents say what is: man pages and help name the same commands and options, README's commands exist, links lead somewhere.
Needs CHANCERY_BUILD, a build folder with the programs."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ["CHANCERY_BUILD"])
PROGRAMS = {"chancery-ca": "man/chancery-ca.8", "chancery": "man/chancery.1"}
DOCUMENTS = ["README.md", "docs/client.md", "docs/guide.md", "docs/performance.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "THREAT-MODEL.md"]

sys.path.insert(0, str(ROOT / "tools"))
import man  # noqa: E402


def run(*words):
    return subprocess.run([str(w) for w in words], check=False, capture_output=True, text=True, timeout=60)


def programs():
    """(program, its man page's text) of those that are built."""
    for name, page in PROGRAMS.items():
        if (BUILD / "bin" / name).exists():
            yield name, (ROOT / page).read_text()


def commands_of(program):
    """command -> its options, from the help."""
    text = run(BUILD / "bin" / program, "help").stdout
    names = [n for n in re.findall(r"^  ([a-z][a-z-]*)(?: |$)", text, re.M) if n not in ("help", "completion")]
    return {n: re.findall(r"^  --([a-z0-9-]+)", run(BUILD / "bin" / program, "help", n).stdout, re.M) for n in names}


class ManPages(unittest.TestCase):
    def test_the_lists_are_those_of_the_programs(self):
        for page, marker, due in man.lists(BUILD):
            with self.subTest(page):
                self.assertEqual(man.split(page, marker)[1], due, "tools/man.py BUILD --update writes them")

    def test_every_command_and_option_of_the_help_is_there(self):
        for program, page in programs():
            commands = commands_of(program)
            self.assertTrue(commands)
            for command, options in commands.items():
                with self.subTest(f"{program} {command}"):
                    self.assertRegex(page, rf"(?m)^\.(Ss|It|Nm|Cm|Ic).*\b{re.escape(command)}\b")
                    for option in options:
                        self.assertRegex(page, rf"Fl (Fl |-){re.escape(option)}\b")

    def test_the_dialects_are_those_of_their_table(self):
        """Help, man pages and completion, of every command that has the option."""
        names = re.findall(r'^X\(\w+, +"([^"]+)"', (ROOT / "src/agent/dialect.def").read_text(), re.M)
        self.assertIn("dehydrated-chain", names)
        program = BUILD / "bin" / "chancery"
        if not program.exists():
            self.skipTest("this build has no client")
        for command in ("issue", "setup"):
            said = run(program, "help", command).stdout.split("--hook-dialect DIALECT")[1].split("\n  --")[0]
            self.assertEqual(re.findall(r"^ {30}([a-z][\w.-]*): ", said, re.M), names)
        for page, option in (("man/chancery.1", ".It Fl Fl hook-dialect Ar DIALECT\n"), ("man/chancery.conf.5", ".It Ic hook-dialect\n")):
            for part in (ROOT / page).read_text().split(option)[1:]:
                self.assertEqual(re.findall(r"^\.It Cm (.*)$", part.split(".El")[0], re.M), names)
        for words, at, expected in (("chancery issue --hook-dialect ''", 3, names), ("chancery issue --hook-dialect = leg", 4, ["lego", "lego-raw"]),
                                    ("chancery setup --hook-dialect u", 3, ["uacme"]), ("chancery renew --hook-dialect u", 3, [])):
            script = f'eval "$({program} completion)"; COMP_WORDS=({words}); COMP_CWORD={at}; _chancery_complete; echo "${{COMPREPLY[@]}}"'
            self.assertEqual(run("bash", "-c", script).stdout.split(), expected, words)

    def test_every_type_of_record_is_there(self):
        page = (ROOT / "man/chancery-ca-files.5").read_text()
        for number, name in re.findall(r'X\(\w+, *(\d+), "([a-z-]+)"\)', (ROOT / "src/server/signer/log_type.def").read_text()):
            self.assertIn(f".It Sy {number} {name}\n", page)

    def test_every_function_of_the_library_is_there(self):
        header = (ROOT / "include/chancery/chancery.h").read_text()
        declared = set(re.findall(r"(?m)^CHANCERY_API [^;(]*?\b(chancery_\w+)\(", header))
        self.assertGreater(len(declared), 50)
        self.assertEqual(set(re.findall(r"(?m)^\.Fn (chancery_\w+)", (ROOT / "man/libchancery.3").read_text())), declared)

    def test_every_setting_of_the_client_is_there(self):
        page = (ROOT / "man/chancery.conf.5").read_text()
        for table in ("wish", "config_top", "config_alert", "ca"):
            rows = man.client_rows(table)
            self.assertEqual(len(rows) - sum(len(man.client_rows(t)) for t in (("account", "frame") if table == "wish" else ())),
                             len(re.findall(r"^X\(", (ROOT / f"src/agent/{table}.def").read_text(), re.M)), table)
            for name, *_ in rows:
                self.assertIn(f".It Ic {name}\n", page)

    def test_every_setting_is_there(self):
        page = (ROOT / "man/chancery-ca.conf.5").read_text()
        for section, option, *_ in man.settings():
            self.assertIn(f".It Ic {option}\n", page, section)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_mandoc_finds_no_error(self):
        for page in sorted((ROOT / "man").glob("*.[1-8]")):
            with self.subTest(page.name):
                result = run("mandoc", "-T", "lint", "-W", "warning", page)
                # Sentences that the programs' own lists put on one line are the tables' style.
                found = [line for line in (result.stdout + result.stderr).splitlines() if "new sentence, new line" not in line]
                self.assertEqual(found, [])

    def test_a_new_configuration_names_every_setting(self):
        rows = man.settings()
        self.assertGreater(len(rows), 20)
        checks = (ROOT / "src/server/parent/config_check.c").read_text()
        for section, option, *_ in rows:
            self.assertIn(f'{{ "{section}", "{option}", ', checks)


class Documents(unittest.TestCase):
    def test_commands_in_documents_exist(self):
        known = {program: commands_of(program) for program, _ in programs()}
        for document in DOCUMENTS:
            text = (ROOT / document).read_text().replace("\\\n", " ")
            for block in re.findall(r"```(?:sh)?\n(.*?)```", text, re.S):
                for program, command, rest in re.findall(r"^\s*(?:\S*/)?(chancery(?:-ca)?) ([a-z][a-z-]*)(.*)$", block, re.M):
                    if program not in known or command == "help":
                        continue
                    with self.subTest(f"{document}: {program} {command}"):
                        self.assertIn(command, known[program])
                        for option in re.findall(r"(?<!\S)--([a-z0-9-]+)", rest):
                            self.assertIn(option, known[program][command])

    def test_scripts_in_documents_exist(self):
        for document in DOCUMENTS:
            for script in re.findall(r"`?\./([a-z]+)\b", (ROOT / document).read_text()):
                self.assertTrue(os.access(ROOT / script, os.X_OK), f"{document}: ./{script}")

    def test_links_and_paths_lead_somewhere(self):
        for document in DOCUMENTS + [str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")]:
            text = (ROOT / document).read_text()
            folder = (ROOT / document).parent
            for target in re.findall(r"\]\(([^)#:]+)\)", text):
                self.assertTrue((folder / target).exists(), f"{document}: {target}")
            for path in re.findall(r"`((?:src|tools|tests|docs|man|include|cmake)/[\w./-]+)`", text):
                self.assertTrue((ROOT / path).exists(), f"{document}: {path}")


if __name__ == "__main__":
    unittest.main()
