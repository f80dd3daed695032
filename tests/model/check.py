"""tests/model/check.py [--violates TEXT] SCENARIO MISFORTUNES [NAME...]: has SPIN go through all states of issuance.pml, with NAMEs defined.

Nothing may be violated, in any state; with --violates, for faults that are planted, the assertion that TEXT, a regular expression, is in must be."""
import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "issuance.pml")
CPU_SECONDS = 60
SECONDS = 300  # on a machine that has much else to do
MEMORY_MB = 2048
DEPTH = 5000
STATES_MIN = 10000  # a model that does nothing violates nothing


def bound():
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def run(words, folder):
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, preexec_fn=bound)
    return done.stdout


def check(folder, names):
    out = run(["spin", "-a", *(f"-D{name}" for name in names), MODEL], folder)
    if not os.path.exists(f"{folder}/pan.c"):
        sys.exit("spin does not take the model:\n" + out)
    # No partial order reduction: it gains nothing where every step can be interrupted. SPIN's own C is full of warnings.
    out = run(["gcc", "-w", "-O2", "-DSAFETY", "-DNOREDUCE", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c"], folder)
    if out:
        sys.exit(out)
    return run(["./pan", "-E", f"-m{DEPTH}"], folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--violates")
    parser.add_argument("scenario")
    parser.add_argument("misfortunes", type=int)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    names = [args.scenario, f"MISFORTUNES={args.misfortunes}", *args.names]
    with tempfile.TemporaryDirectory(prefix="chancery-model-") as folder:
        out = check(folder, names)
        if os.path.exists(f"{folder}/issuance.pml.trail") and not args.violates:
            out += run(["spin", "-t", "-p", *(f"-D{name}" for name in names), "-k", "issuance.pml.trail", MODEL], folder)
    states = re.search(r"(\d+) states, stored", out)
    violated = re.search(r"assertion violated (.*?) \(at depth", out)
    if not states:
        sys.exit("the search did not end:\n" + out)
    if args.violates:
        if not violated or not re.search(args.violates, violated.group(1)):
            sys.exit(f"{' '.join(names)}: \"{args.violates}\" was not violated:\n" + out)
        print(f"{' '.join(names)}: violated, as it must be: {violated.group(1)}, after {states.group(1)} states")
        return
    incomplete = "Search not completed" in out or "max search depth too small" in out
    if "errors: 0" not in out or violated or incomplete or int(states.group(1)) < STATES_MIN:
        sys.exit(f"{' '.join(names)}:\n" + out)
    print(f"{' '.join(names)}: all {states.group(1)} states, nothing violated")


if __name__ == "__main__":
    main()
