#!/bin/bash
# tools/fuzz.sh [SECONDS [TARGET...]]: each fuzz target for so long (60), one after the other, at the lowest priority. What reaches code that nothing in tests/corpus
# reaches is kept there, as few inputs as do it. Stops at a finding and names its input. A line a target is added to build/fuzz/fuzzed.txt: seconds of CPU, name.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
build=$PWD/build/fuzz

if [ ! -s "$build/fuzz_targets.txt" ]; then
	cmake --preset fuzz >/dev/null
fi
# As the merge takes what is new by its name, a finding is never among it.
while read -r program corpus; do
	name=$(basename "$program")
	if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then
		continue
	fi
	if [ -z "${FUZZ_NO_BUILD:-}" ]; then
		cmake --build "$build" --target "$name" >/dev/null
	elif [ ! -x "$program" ]; then
		continue
	fi
	work=$build/found/$name
	mkdir -p "$work/inputs"
	TIMEFORMAT='%U %S'
	good=yes
	{ time nice -n 19 "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$work/finding-" \
		"$work/inputs" "$corpus" >"$work/log" 2>&1 </dev/null || good=no; } 2>"$work/time"
	tail -n 1 "$work/time" | awk -v name="$name" '{ printf "%.1f %s\n", $1 + $2, name }' | tee -a "$build/fuzzed.txt"
	if [ $good = no ]; then
		tail -n 60 "$work/log"
		echo "$name: a finding: $(ls "$work"/finding-* 2>/dev/null || echo "see $work/log")" >&2
		exit 1
	fi
	nice -n 19 "$program" -set_cover_merge=1 -use_counters=0 -rss_limit_mb=2048 "$corpus" "$work/inputs" >"$work/merged" 2>&1 </dev/null
done <"$build/fuzz_targets.txt"
awk '{ sum += $1 } END { printf "%.0f s of CPU in all so far\n", sum }' "$build/fuzzed.txt"
