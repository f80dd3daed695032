"""Writes one ctest folder over several builds: tools/suite.py CHECKOUT SUITE "PRESET PRESET ...".

The release build runs every test; sanitizer builds run those where they see something new; Clang runs the units.
Each test keeps its name, with the build's name before it.
"""
import json
import os
import subprocess
import sys

# What runs in which build, by ctest label. Black-box tests start whole servers and take their programs from BUILD.
LABELS = {
    "release": None,  # everything
    "asan": {"unit", "fuzz", "blackbox"},
    "clang": {"unit"},
    "tsan": {"unit", "blackbox"},
}
# Folders where several threads meet; the thread sanitizer has nothing to see elsewhere.
THREADED = ("http/", "db/", "server/store/", "server/front/", "crypto/sig", "crypto/key", "blackbox/protocol")
# Minutes of foreign programs against whole servers: the release build alone runs them.
ONCE = "clients"
# What takes minutes, or a whole Debian: for ./check --full.
FULL_ONLY = "full"
FUZZ_SECONDS = 10


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def tests_of(build):
    text = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, check=True, capture_output=True, text=True).stdout
    return json.loads(text)["tests"]


def fuzz_tests(checkout, suite):
    """Each libFuzzer program for a while, from its corpus; what it finds new stays out of the tree."""
    lines = []
    for line in open(f"{checkout}/build/fuzz/fuzz_targets.txt"):
        program, corpus = line.split()
        name = os.path.basename(program)
        found = f"{suite}/found/{name}"
        os.makedirs(found)
        words = [program, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", found, corpus]
        lines.append(f"add_test({quote('fuzz/' + name)} {' '.join(map(quote, words))})")
        lines.append(f"set_tests_properties({quote('fuzz/' + name)} PROPERTIES TIMEOUT {FUZZ_SECONDS * 6} WORKING_DIRECTORY {quote(found)})")
    return lines


def main():
    checkout, suite, presets = sys.argv[1:4]
    lines = []
    for preset in presets.split():
        if preset == "fuzz":
            lines += fuzz_tests(checkout, suite)
            continue
        build = f"{checkout}/build/{preset}"
        wanted = LABELS[preset]
        for test in tests_of(build):
            properties = {p["name"]: p["value"] for p in test.get("properties", [])}
            labels = set(properties.get("LABELS", []))
            if wanted is not None and (not labels & wanted or ONCE in labels):
                continue
            if FULL_ONLY in labels and os.environ.get("CHANCERY_FULL") != "true":
                continue
            if preset == "tsan" and not test["name"].startswith(THREADED):
                continue
            name = quote(f"{preset}/{test['name']}")
            if "command" not in test:
                sys.exit(f"{preset}: the test {test['name']} has no program: it was not built")
            lines.append(f"add_test({name} {' '.join(quote(word) for word in test['command'])})")
            settings = [("WORKING_DIRECTORY", properties.get("WORKING_DIRECTORY", build)),
                        ("TIMEOUT", str(int(properties.get("TIMEOUT", 300)))),
                        ("LABELS", ";".join(sorted(labels)))]
            if "ENVIRONMENT" in properties:
                settings.append(("ENVIRONMENT", ";".join(properties["ENVIRONMENT"])))
            if properties.get("RUN_SERIAL"):
                settings.append(("RUN_SERIAL", "TRUE"))
            lines.append(f"set_tests_properties({name} PROPERTIES " + " ".join(f"{k} {quote(v)}" for k, v in settings) + ")")
    if not lines:
        sys.exit("no tests at all: something is wrong with the builds")
    with open(f"{suite}/CTestTestfile.cmake", "w") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
