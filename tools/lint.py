#!/usr/bin/env python3
"""tools/lint.py [--quiet]: holds the tree to its own rules; ends with 1 when one is broken.

layers   every #include is one that the table of folders in ARCHITECTURE.md allows: that table is the only source
fuzz     each *_fuzz.c has a row in CONTRIBUTING.md's table, and at least FUZZ_SEEDS files in its corpus
sizes    no function over 80 lines, no file over 1000; a warning over 600 unless SIZE_EXCEPTIONS says why
calls    none of BANNED in what is shipped, each with its reason
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

FUNCTION_MAX = 80
FILE_MAX = 1000
FILE_WISH = 600
# Parsers and tables that are better in one piece: file -> why. They may have up to FILE_MAX lines.
SIZE_EXCEPTIONS = {}

BANNED = {
    "strcpy": "knows no size: use buf_add or memcpy with one",
    "strcat": "knows no size: use buf_add",
    "sprintf": "knows no size: use snprintf or buf_add_fmt",
    "vsprintf": "knows no size: use vsnprintf",
    "gets": "knows no size",
    "strtok": "keeps a state of its own and writes into its input",
    "system": "starts a shell",
    "popen": "starts a shell",
    "atoi": "cannot tell 0 from nonsense: use strtoul with its end, or wire_u32",
    "atol": "cannot tell 0 from nonsense",
    "alloca": "takes from the stack without a bound: use the arena",
    "rand": "can be guessed: use random_bytes",
    "srand": "see rand",
}
BANNED_WORDS = {"goto": "handles carry CLEANUP(), TAKE() hands over"}

# Headers of libraries: what begins with one of these must stand in the folder's row. All else in <> is libc's or the kernel's.
FOREIGN = ("openssl/", "event2/", "curl/", "unbound", "sqlite3", "confuse", "seccomp", "jansson", "cmocka", "libpq", "systemd/",
           "idn2", "libpsl", "libp11")

# Test programs, fuzz targets and what they share may use any library (they are never linked into a product).
TEST_FILE = re.compile(r"(_test|_fuzz|_testing|_sample|_fault|_peer)\.[ch]$|/(test|stub)_[^/]*$|_test_[^/]*\.h$")


class Report:
    def __init__(self):
        self.faults = []

    def fault(self, place, rule, text):
        self.faults.append(f"{place}: {rule}: {text}")


def read(path):
    with open(os.path.join(ROOT, path), "rb") as f:
        return f.read()


def walk(top):
    for folder, folders, names in os.walk(os.path.join(ROOT, top)):
        folders[:] = [d for d in sorted(folders) if not d.startswith(".")]
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), ROOT)


def sources():
    return [p for top in ("src", "include", "tests", "examples") for p in walk(top) if p.endswith((".c", ".h"))]


def layer_table():
    """Rows of ARCHITECTURE.md between the two markers: folder -> (rooms, library headers)."""
    text = read("ARCHITECTURE.md").decode()
    begin, end = "<!-- layers: begin -->", "<!-- layers: end -->"
    if begin not in text or end not in text:
        sys.exit("ARCHITECTURE.md has no table of folders between its layer markers")
    rows = {}
    for line in text.split(begin)[1].split(end)[0].splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if len(cells) != 4 or not cells[0].startswith("`"):
            continue
        folder = cells[0].strip("`").rstrip("/")
        rows[folder] = (set(cells[2].split()) - {"–"}, set(re.findall(r"`([^`]+)`", cells[3])))
    return rows


def row_of(rows, path):
    """The most specific folder of the table that the file lies in."""
    found = [f for f in rows if path.startswith(f + "/")]
    return max(found, key=len) if found else None


def check_layers(report):
    rows = layer_table()
    for folder, (rooms, _) in rows.items():
        for room in rooms:
            if "src/" + room not in rows:
                report.fault("ARCHITECTURE.md", "layers", f"{folder} may include {room}, which is no folder of the table")
    used = {folder: set() for folder in rows}
    for path in sources():
        if path.startswith(("tests/", "examples/")):
            continue
        folder = row_of(rows, path)
        if folder is None:
            report.fault(path, "layers", "its folder is not in ARCHITECTURE.md's table")
            continue
        rooms, headers = rows[folder]
        for number, line in enumerate(read(path).decode().splitlines(), 1):
            m = re.match(r'#\s*include\s+(["<])([^">]+)[">]', line)
            if m:
                check_include(report, rows, (path, number), folder, rooms, headers, m.group(1), m.group(2), used)


def check_include(report, rows, place, folder, rooms, headers, kind, name, used):
    path, number = place
    test = TEST_FILE.search(path)
    if name.startswith("chancery/"):
        if folder not in ("include/chancery", "src/client", "src/cli", "src/agent", "src/agent/net"):
            report.fault(f"{path}:{number}", "layers", "the public library's headers are for the client and its programs")
        return
    if kind == '"':
        target = row_of(rows, "src/" + name)
        if target is None:
            if not test:
                report.fault(f"{path}:{number}", "layers", f'"{name}": includes are written from src/, like "base/err.h"')
        elif target != folder and target.removeprefix("src/") not in rooms:
            report.fault(f"{path}:{number}", "layers", f'{folder} may not include {target} ("{name}")')
        else:
            used[folder].add(target)
    elif name.startswith(FOREIGN) and not test:
        if not any(name == h or (h.endswith("/") and name.startswith(h)) for h in headers):
            report.fault(f"{path}:{number}", "layers", f"{folder} may not include <{name}>")


# --- fuzz targets ---

FUZZ_SEEDS = 3


def fuzz_rows():
    """Rows of CONTRIBUTING.md between the two markers: target -> files."""
    text = read("CONTRIBUTING.md").decode()
    begin, end = "<!-- fuzz: begin -->", "<!-- fuzz: end -->"
    if begin not in text or end not in text:
        sys.exit("CONTRIBUTING.md has no table of fuzz targets between its fuzz markers")
    cells = [[c.strip() for c in line.strip().strip("|").split("|")] for line in text.split(begin)[1].split(end)[0].splitlines()]
    return {c[0].strip("`"): c[2].split() for c in cells if len(c) == 3 and c[0].startswith("`")}


def check_fuzz(report):
    rows = fuzz_rows()
    targets = {p[len("src/"):-len("_fuzz.c")]: p for p in walk("src") if p.endswith("_fuzz.c")}
    for name, path in targets.items():
        if name not in rows:
            report.fault(path, "fuzz", "it has no row in CONTRIBUTING.md's table of what is fuzzed")
        seeds = [p for p in walk(f"tests/corpus/{name}") if "/" not in p[len(f"tests/corpus/{name}/"):]]
        if len(seeds) < FUZZ_SEEDS:
            report.fault(path, "fuzz", f"tests/corpus/{name} has {len(seeds)} files, fewer than {FUZZ_SEEDS}")
    for name, files in rows.items():
        if name not in targets:
            report.fault("CONTRIBUTING.md", "fuzz", f"there is no src/{name}_fuzz.c")
        for file in files:
            if not os.path.exists(os.path.join(ROOT, "src", file)):
                report.fault("CONTRIBUTING.md", "fuzz", f"{name}: there is no src/{file}")


# --- sizes ---

def functions(text):
    """(name, first line, number of lines): from the first line of the declaration to the closing brace."""
    lines = text.splitlines()
    i = 0
    while i < len(lines):
        if lines[i] != "{":
            i += 1
            continue
        begin = i
        while begin > 0 and lines[begin - 1].strip() and not re.search(r"(^\}|;\s*$|\*/\s*$|^#)", lines[begin - 1]):
            begin -= 1
        end = i
        while end < len(lines) and not lines[end].startswith("}"):
            end += 1
        m = re.search(r"(\w+)\s*\(", " ".join(lines[begin:i]))
        yield (m.group(1) if m else "?", begin + 1, end - begin + 1)
        i = end + 1


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0


def check_sizes(report, say):
    all_functions, files = [], []
    code = tests = 0
    for path in sources():
        text = read(path).decode()
        n = text.count("\n")
        files.append((n, path))
        is_test = bool(TEST_FILE.search(path)) or path.startswith("tests/")
        code, tests = (code, tests + n) if is_test else (code + n, tests)
        if n > FILE_MAX:
            report.fault(path, "sizes", f"{n} lines, at most {FILE_MAX} are allowed")
        elif n > FILE_WISH and path not in SIZE_EXCEPTIONS:
            say(f"warning:   {path} has {n} lines, more than {FILE_WISH}: split it, or list a parser or table in SIZE_EXCEPTIONS")
        if path.endswith(".c"):
            for name, line, length in functions(text):
                all_functions.append((length, f"{path}:{line} {name}", is_test))
                if length > FUNCTION_MAX:
                    report.fault(f"{path}:{line}", "sizes", f"{name}() has {length} lines, at most {FUNCTION_MAX} are allowed")
    tests += sum(read(p).count(b"\n") for p in walk("tests") if p.endswith(".py"))
    lengths = [n for n, _, is_test in all_functions if not is_test]
    say(f"functions: {len(lengths)}, lines p50 {percentile(lengths, .5)}, p90 {percentile(lengths, .9)}, most {max(lengths, default=0)}"
        f" (tests not counted)")
    say("longest:   " + "\n           ".join(f"{n:3} {where}" for n, where, _ in sorted(all_functions, reverse=True)[:5]))
    say("largest:   " + "\n           ".join(f"{n:4} {path}" for n, path in sorted(files, reverse=True)[:5]))
    say(f"code {code} lines, tests {tests}: {tests / code:.2f} lines of test for each line of code")


# --- calls ---

def bare(text):
    """Without comments, strings and characters, line by line as before."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: "\n" * m.group(0).count("\n") or " ", text)


def check_calls(report):
    calls = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    words = re.compile(r"\b(" + "|".join(BANNED_WORDS) + r")\b")
    for path in sources():
        if TEST_FILE.search(path) or path.startswith("tests/"):
            continue  # they may run other programs, and their strings are their own
        for number, line in enumerate(bare(read(path).decode()).splitlines(), 1):
            for m in calls.finditer(line):
                report.fault(f"{path}:{number}", "calls", f"{m.group(1)}() {BANNED[m.group(1)]}")
            for m in words.finditer(line):
                report.fault(f"{path}:{number}", "calls", f"{m.group(1)}: {BANNED_WORDS[m.group(1)]}")


def main():
    report = Report()
    say = (lambda text: None) if "--quiet" in sys.argv[1:] else print
    check_layers(report)
    check_fuzz(report)
    check_sizes(report, say)
    check_calls(report)
    for fault in report.faults:
        print(fault)
    say(f"{len(report.faults)} faults" if report.faults else "the tree keeps its rules")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
