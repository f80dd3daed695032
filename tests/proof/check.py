"""tests/proof/check.py READER [--planted]: has Frama-C's Eva go through a reader's functions (its harness is READER.c) with every input there is, and WP prove contract.c.

Nothing may be an alarm, every function of the reader's file must have been analysed but those that are named here, and of their statements at least REACHED in a
hundred. With --planted the same is done to the reader with a bound left out, which must be an alarm."""
import argparse
import dataclasses
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
REACHED = 95
LENGTH_MAX = 256
LENGTH_MAX_PLANTED = 16  # what is planted shows in short spans, long before it shows in all of them
SECONDS = 600  # on a machine that has much else to do


@dataclasses.dataclass
class Reader:
    file: str                # below src
    planted: tuple           # what is replaced by what
    more: tuple = ()         # analysed with it
    options: tuple = ()
    elsewhere: str = ""      # functions that are another harness's, or no reader
    assumed: tuple = ()      # functions that stand as whatever they may do


SPLIT = ("-eva-split-return", "full")
UNROLL = ("-eva-auto-loop-unroll", "16")
FRESH = ("-eva-alloc-builtin", "fresh")
LEAVES = ("is_token", "trim", "check_value", "parse_length", "check_host", "check_path", "check_query", "parse_version", "field_of", "is_same_nocase", "is_same_host")
READERS = {
    "span": Reader("base/bytes.c", ("a.len == b.len && (a.len == 0", "(a.len == 0"), options=("-eva-slevel", "12", *SPLIT, *FRESH),
                   elsewhere="add_formatted buf_add_fmt buf_extend"),
    "wire": Reader("base/wire.c", ("n > w->rest.len)", "n > w->rest.len + 1)"), more=("base/bytes.c",), options=("-eva-slevel", "10", *SPLIT, *UNROLL, *FRESH)),
    "codec": Reader("base/codec.c", ("in.len != BASE64URL_LEN(out_len)", "in.len < BASE64URL_LEN(out_len)"),
                    options=("-eva-slevel", "2", "-eva-slevel-function", "hex_encode:300,encode_url:600,decode_url:600,encode_group:600", *SPLIT),
                    elsewhere="base64url_add pem_add is_line_end is_white find_line decode_pem_body pem_next random_bytes"),
    "der": Reader("pki/der.c", ("if (*at >= in.len)", "if (*at > in.len)"), more=("base/bytes.c", "base/clock.c"),
                  options=("-eva-slevel", "20", *SPLIT, "-eva-auto-loop-unroll", "20"),
                  elsewhere="der_open length_octets der_close der_put nibble der_put_hex der_put_oid put_arc der_put_oid_text der_put_unsigned der_put_u64 der_put_bool "
                            "der_put_bits put_two der_put_time"),
    "http_leaves": Reader("http/parse.c", ("if (b.len - *i < 3 ||", "if (b.len - *i < 2 ||"), more=("base/bytes.c",), options=("-eva-slevel", "0", *UNROLL),
                          elsewhere="cut_authority http_scan parse_target parse_request_line parse_connection parse_known parse_field check_head http_head_parse chunk_size_byte "
                                    "chunk_byte http_chunked_take"),
    "http_whole": Reader("http/parse.c", ("in.len > 0 && !is_tchar(*in.ptr)", "!is_tchar(*in.ptr)"), more=("base/bytes.c",),
                         options=("-eva-slevel", "4", *SPLIT, *UNROLL, "-eva-warn-undefined-pointer-comparison", "none"),
                         elsewhere=" ".join(LEAVES) + " is_digit is_alnum is_one_of is_tchar is_pchar is_white take_percent check_segment check_port", assumed=LEAVES),
    "channel": Reader("os/channel.c", ("m->type < c->n_rules ? &c->rules[m->type] : NULL;\n\n\tif (!r || r->from != c->peer", "m->type <= c->n_rules ? &c->rules[m->type] : NULL;\n\n\tif (!r || r->from != c->peer"),
                      more=("base/wire.c", "base/bytes.c"), options=("-eva-slevel", "100", *SPLIT, "-eva-auto-loop-unroll", "20", *FRESH),
                      elsewhere="table_new rule_is_sound size_up socket_holds prepare_socket channel_new packet_free channel_free channel_fd channel_wants_write "
                                "channel_counts rule_to_send check_turn forget_told note_taken note_left send_packet is_full send_failed enqueue put_be put_header "
                                "send_any channel_send channel_send_fd channel_flush channel_pair"),
    "messages": Reader("server/messages.c", ("n > REVOKED_NEW_MAX)", "n > REVOKED_NEW_MAX + 1)"), more=("base/bytes.c", "base/err.c", "base/utf8.c"),
                       options=("-eva-slevel", "10", *SPLIT, "-eva-auto-loop-unroll", "100", "-eva-partition-value", "cut"),
                       elsewhere="account_evidence_write account_url blocklist_message ca_issuers_url crl_get_write crl_new_write crl_part_write "
                                 "crl_url hello_ok_write issue_write issued_write limits_reset_write "
                                 "new_order_digest ocsp_url order_id_make order_id_names order_id_time_ms problem_write process_name revoke_write revoked_new_write "
                                 "revoked_write server_channel_new sign_write validate_write validated_write"),
}


def run(words, folder, sources, length_max=LENGTH_MAX):
    """sources: folders that are looked at first for what is included. length_max: how long the harness's spans are at most."""
    include = " ".join(f"-I{path}" for path in (*sources, f"{TREE}/src", f"{TREE}/include"))
    done = subprocess.run(["frama-c", *words, "-machdep", "gcc_x86_64", f"-cpp-extra-args={include} -D_GNU_SOURCE -DLENGTH_MAX={length_max} -include {HERE}/libc.h"], cwd=folder,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False)
    if done.returncode and "Stopping at nth alarm" not in done.stdout:
        sys.exit(f"Frama-C ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


def functions(path):
    """Those that a C file defines."""
    return set(re.findall(r"^(?:static |[a-z]).*?\b(\w+)\([^;{}]*\)\n\{", re.sub(r"PRINTF\(.*?\) ", "", open(path).read()), re.M))


def plant(reader, folder):
    path = f"{folder}/{reader.file}"
    os.makedirs(os.path.dirname(path))
    text = open(f"{TREE}/src/{reader.file}").read()
    if text.count(reader.planted[0]) != 1:
        sys.exit(f"src/{reader.file} has not once what is to be replaced: {reader.planted[0]}")
    with open(path, "w") as out:
        out.write(text.replace(*reader.planted))


def eva(name, reader, planted, folder):
    harness = f"{HERE}/{name}.c"
    included = f'#include "{reader.file}"' in open(harness).read()
    more = [f"{TREE}/src/{file}" for file in reader.more]
    if planted:
        plant(reader, folder)
    if not included:
        more.append(f"{folder if planted else TREE + '/src'}/{reader.file}")
    words = ["-eva", *reader.options, "-eva-split-limit", "1000", "-eva-msg-key=-initial-state", harness, *more]
    if reader.assumed:
        words += ["-eva-use-spec", ",".join(reader.assumed)]
    out = run(words + ["-eva-stop-at-nth-alarm", "1"], folder, [folder], LENGTH_MAX_PLANTED) if planted else run(words, folder, [])
    alarms = re.findall(r"^\[eva:alarm\].*(?:\n  .*)*", out, re.M)
    if planted:
        if not alarms:
            sys.exit(f"{name}: what was planted is no alarm:\n{out[-4000:]}")
        print(f"{name}: what was planted is reported: {' '.join(alarms[0].split())}")
        return
    done, whole = map(int, re.search(r"(\d+) statements reached \(out of (\d+)\)", out).groups())
    # A static function whose name another file has too gets a number.
    analysed = set(re.findall(r"Values at end of function (\w+?)(?:_\d+)?:", out))
    elsewhere = set(reader.elsewhere.split())
    there = functions(f"{TREE}/src/{reader.file}")
    if alarms:
        sys.exit(f"{name}: alarms:\n" + "\n".join(alarms))
    if elsewhere - there:
        sys.exit(f"{name}: src/{reader.file} has no {', '.join(sorted(elsewhere - there))}")
    if there - elsewhere - analysed:
        sys.exit(f"{name}: not analysed: {', '.join(sorted(there - elsewhere - analysed))}")
    if done * 100 < whole * REACHED:
        sys.exit(f"{name}: only {done} of {whole} statements are reached:\n{out[-4000:]}")
    print(f"{name}: no alarm; {done} of {whole} statements reached")


def wp(folder):
    """The contract of the two functions that take spans apart, by z3."""
    os.environ["WHY3CONFIG"] = f"{folder}/why3.conf"
    subprocess.run(["why3", "config", "detect", "-C", f"{folder}/why3.conf"], check=True, capture_output=True, timeout=60)
    out = run(["-wp", "-wp-rte", "-wp-prover", "z3", "-wp-timeout", "120", "-wp-fct", "bytes_slice,bytes_split", f"{HERE}/contract.c"], folder, [])
    proved, goals = map(int, re.search(r"Proved goals:\s+(\d+) / (\d+)", out).groups())
    if proved != goals or goals == 0:
        sys.exit(f"{proved} of {goals} goals are proved:\n{out[-6000:]}")
    print(f"contract: all {goals} goals are proved")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("reader", choices=[*READERS, "contract"])
    parser.add_argument("--planted", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chancery-proof-") as folder:
        if args.reader == "contract":
            wp(folder)
        else:
            eva(args.reader, READERS[args.reader], args.planted, folder)


if __name__ == "__main__":
    main()
