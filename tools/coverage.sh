#!/bin/bash
# tools/coverage.sh [LEAST]: how much of each parser's file (CONTRIBUTING.md's table of what is fuzzed) the corpus of the fuzz targets reaches, without any
# mutation of it: lines of the functions that are entered, lines of the whole file, and the functions that are not entered, which should be those that write or do.
# Ends with 1 when the first is below LEAST percent. Builds with Clang in build/coverage; FUZZ_NO_BUILD=1 takes what is there.
set -euo pipefail
cd "$(dirname "$0")/.."
least=${1:-0}
build=$PWD/build/coverage

if [ -z "${FUZZ_NO_BUILD:-}" ]; then
	cmake --preset coverage >/dev/null
	cut -d ' ' -f 1 "$build/fuzz_targets.txt" | sed "s,^$build/,," | xargs cmake --build "$build" -- >"$build/log" || { tail -n 40 "$build/log"; exit 1; }
fi
rm -rf "$build/profile"
mkdir "$build/profile"
objects=()
while read -r program corpus; do
	LLVM_PROFILE_FILE="$build/profile/$(basename "$program").raw" "$program" "$corpus" 0 >"$build/profile/log" 2>&1 || { cat "$build/profile/log"; exit 1; }
	objects+=(-object "$program")
done <"$build/fuzz_targets.txt"
llvm-profdata merge -sparse "$build"/profile/*.raw -o "$build/profile/all"
program=$(cut -d ' ' -f 1 "$build/fuzz_targets.txt" | head -n 1)
llvm-cov show -instr-profile "$build/profile/all" "$program" "${objects[@]}" >"$build/profile/all.txt" 2>/dev/null
python3 - "$build/profile/all.txt" "$PWD" "$least" <<'END'
import re
import sys

sys.path.insert(0, sys.argv[2] + "/tools")
import lint


def functions(path):
    """Of each file below src: (name of a function, its lines that could run, those that did)."""
    files, of, name, inside = {}, None, "", False
    for line in open(path):
        head = re.match(r"^/.*/src/(\S+):$", line)
        code = re.match(r"^ *\d+\| *([0-9.kMG]*)\|(.*)", line)
        if head:
            of, inside = files.setdefault(head[1], []), False
        elif code and of is not None:
            count, text = code.groups()
            if text.startswith("{"):
                inside = True
                of.append([name, 0, 0])
            elif not inside and re.match(r"[a-z]", text) and "(" in text:
                name = text[:text.index("(")].split()[-1].lstrip("*")
            if inside and count:
                of[-1][1] += 1
                of[-1][2] += count != "0"
            inside = inside and not text.startswith("}")
    return files


def percent(part, whole):
    return 100 * part / whole if whole else 0


found, below = functions(sys.argv[1]), 0
for target, files in lint.fuzz_rows().items():
    for file in files:
        of = found.get(file, [])
        reached = [f for f in of if f[2]]
        share = percent(sum(f[2] for f in reached), sum(f[1] for f in reached))
        low = share < float(sys.argv[3])
        below += low
        print(f"{share:6.1f} % {percent(sum(f[2] for f in of), sum(f[1] for f in of)):6.1f} %  {file} ({target}){'  BELOW' if low else ''}")
        away = [f[0] for f in of if not f[2]]
        if away:
            print("                   never entered: " + ", ".join(away))
sys.exit(1 if below else 0)
END
