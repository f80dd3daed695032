#!/usr/bin/env python3
"""tools/man.py BUILD [--update]: holds the man pages' lists to what the programs and the table of settings say.

man/chancery-ca.8, man/chancery.1  between the "commands" markers: what `PROGRAM man-options` of this build prints
docs/client.md                     between the "blame" markers: made from src/agent/blame_type.def and blame_else.def
man/chancery-ca.conf.5             between the "settings", "profiles" and "incidents" markers: made from src/server/settings.def, profile.def, incident.def
Says what differs and ends with 1; --update writes the lists anew.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = {"STRING": "String", "UINT": "Number", "SECONDS": "Duration", "BOOL": "True or false", "LIST": "List of strings",
         "RATE": "Rate", "FILES": "List of files"}
READERS = {"F": "front", "V": "validator", "S": "signer", "K": "keyholder", "P": "parent"}
STRING = r'"(?:\\.|[^"\\])*"'
ROW = re.compile(r'^X\(\s*"([^"]*)",\s*"([^"]+)",\s*\w+,\s*(\w+),\s*(' + STRING + r"),\s*([FVSKP|]+),\s*((?:" + STRING + r"\s*)+)\)", re.M)


def unquote(text):
    return "".join(re.sub(r"\\(.)", r"\1", part[1:-1]) for part in re.findall(STRING, text))


def settings():
    """(section, option, kind, default, readers, doc) of each row."""
    text = (ROOT / "src/server/settings.def").read_text()
    rows = [(section, option, kind, unquote(default), readers.split("|"), unquote(doc))
            for section, option, kind, default, readers, doc in ROW.findall(text)]
    if len(rows) != len(re.findall(r"^X\(", text, re.M)):
        sys.exit("src/server/settings.def has rows that tools/man.py does not understand")
    return rows


def default_of(kind, default):
    if kind in ("LIST", "FILES"):
        return "empty unless set" if default == "{}" else f"default {default}"
    if kind == "UINT":
        return f"default {default}"
    return f'default "{default}"' if default else "empty unless set"


def settings_page():
    out, current = [], None
    for section, option, kind, default, readers, doc in settings():
        if section != current:
            out += [".El"] if current is not None else []
            out += [".Sh " + (f"SECTION {section}" if section else "TOP LEVEL"), ".Bl -tag -width Ds"]
            current = section
        told = ", ".join(READERS[r] for r in readers)
        out += [f".It Ic {option}", doc, f"{KINDS[kind]}, {default_of(kind, default)}.", f"Read by: {told}."]
    return "\n".join([*out, ".El"]) + "\n"


TITLED_ROW = re.compile(r'^X\("([^"]+)",\s*(\w+),\s*(' + STRING + r"),\s*(" + STRING + r")\)", re.M)


def titled_page(table):
    """The options of a section with a title, from src/server/TABLE.def."""
    out = [".Bl -tag -width Ds"]
    text = (ROOT / f"src/server/{table}.def").read_text()
    rows = TITLED_ROW.findall(text)
    if len(rows) != len(re.findall(r"^X\(", text, re.M)):
        sys.exit(f"src/server/{table}.def has rows that tools/man.py does not understand")
    for option, kind, default, doc in rows:
        out += [f".It Ic {option}", unquote(doc), f"{KINDS[kind]}, {default_of(kind, unquote(default))}."]
    return "\n".join([*out, ".El"]) + "\n"


CLIENT_ROW = re.compile(r'^X\(("[^"]*"|\w+),\s*(.*?)\)\n(?=\s*(?:X|/\*|#|\Z))', re.M | re.S)


def client_rows(table):
    """(name, the rest of the row's cells but the doc, doc) of src/agent/TABLE.def, tables that it includes first."""
    text = (ROOT / f"src/agent/{table}.def").read_text()
    rows = []
    for included in re.findall(r'^#include "agent/(\w+)\.def"', text, re.M):
        rows += client_rows(included)
    for name, rest in CLIENT_ROW.findall(text + "\n"):
        doc = re.search(r"((?:" + STRING + r"\s*)+)$", rest)
        rows.append((name.strip('"'), [c.strip() for c in rest[:doc.start()].rstrip(" ,\n").split(",")], unquote(doc.group(1))))
    return rows


DIALECT_ROW = re.compile(r'^X\(\w+,\s*"([^"]+)".*?,\s*(' + STRING + r")\)", re.M)


def choices_of(cells):
    """The values that an option has, where they are a list."""
    if '"DIALECT"' not in cells:
        return []
    text = (ROOT / "src/agent/dialect.def").read_text()
    rows = DIALECT_ROW.findall(text)
    if len(rows) != len(re.findall(r"^X\(", text, re.M)):
        sys.exit("src/agent/dialect.def has rows that tools/man.py does not understand")
    return [".Bl -tag -width Ds -compact", *(line for name, doc in rows for line in (f".It Cm {name}", unquote(doc))), ".El"]


def client_page(table, kind):
    """The settings of chancery.conf that a table has; kind tells of a row's cells what its value is."""
    out = [".Bl -tag -width Ds"]
    for name, cells, doc in client_rows(table):
        out += [f".It Ic {name}", f"{kind(cells)}. {doc}", *choices_of(cells)]
    return "\n".join([*out, ".El"]) + "\n"


def wish_kind(cells):
    value, repeats = cells
    return "True or false" if value == "NULL" else "List of strings" if repeats == "true" else "String"


def list_kind(cells):
    return "List of strings" if cells[0] == "true" else "String"


def ca_kind(cells):
    return {"TEXT": "String", "TEXTS": "List of strings", "KNOWN": "True or false", "NUMBER": "Number"}[cells[1]]


BLAME_ROW = re.compile(r'^X\(("[^"]+"|\w+),\s*(?:(\w+),\s*)?(\w+),\s*(\w+),\s*(\w+),\s*(' + STRING + r")\)", re.M)
ABOUT = {"NAMES": "the names", "ACCOUNT": "the account", "CA": "the CA", "NETWORK": "the network", "US": "us"}
SET_BACK = {"NAMES": "this certificate at this CA", "ACCOUNT": "the account at this CA", "CA": "this CA", "NETWORK": "this CA", "US": "nobody"}
FIRST = {"MINUTES": "a minute", "HOURS": "an hour"}
PLACE = {"REQUEST": " of a request", "NAMES": " of a name"}


def blame_table():
    """Whom a failure is about and what follows, for docs/client.md."""
    out = ["| problem type, or what else failed | what it is | about | the next CA is asked | set back | at first for |", "|---|---|---|---|---|---|"]
    for table in ("blame_type", "blame_else"):
        text = (ROOT / f"src/agent/{table}.def").read_text()
        rows = BLAME_ROW.findall(text)
        if len(rows) != len(re.findall(r"^X\(", text, re.M)):
            sys.exit(f"src/agent/{table}.def has rows that tools/man.py does not understand")
        for name, place, about, then, first, doc in rows:
            what = f"`{name[1:-1]}`{PLACE.get(place, '')}" if name.startswith('"') else "(no type)"
            wait = FIRST[first] if about != "US" else "-"
            out.append(f"| {what} | {unquote(doc)} | {ABOUT[about]} | {'yes' if then == 'NEXT' else 'no'} | {SET_BACK[about]} | {wait} |")
    return "\n".join(out) + "\n"


def commands_page(program):
    text = subprocess.run([program, "man-options"], check=True, capture_output=True, text=True).stdout
    # The page says /etc; where it is installed elsewhere, the installation writes so (man/CMakeLists.txt).
    return re.sub(r"[^\s(]*/etc/chancery", "/etc/chancery", text)


def lists(build):
    """(page, marker, what is due) of the settings and of each program that this build has."""
    due = [("docs/client.md", "blame", blame_table()), ("man/chancery-ca.conf.5", "settings", settings_page()), ("man/chancery-ca.conf.5", "profiles", titled_page("profile")),
           ("man/chancery-ca.conf.5", "incidents", titled_page("incident")),
           ("man/chancery.conf.5", "certificates", client_page("wish", wish_kind)), ("man/chancery.conf.5", "top", client_page("config_top", list_kind)),
           ("man/chancery.conf.5", "alerts", client_page("config_alert", list_kind)), ("man/chancery.conf.5", "authorities", client_page("ca", ca_kind))]
    for page, program in (("man/chancery-ca.8", "chancery-ca"), ("man/chancery.1", "chancery")):
        path = pathlib.Path(build) / "bin" / program
        if path.exists():
            due.append((page, "commands", commands_page(path)))
    return due


def split(page, marker):
    around = "<!-- {} -->\n" if page.endswith(".md") else '.\\" {}\n'
    begin, end = around.format(f"{marker}: begin"), around.format(f"{marker}: end")
    text = (ROOT / page).read_text()
    before, rest = text.split(begin)
    middle, after = rest.split(end)
    return before + begin, middle, end + after


def main():
    if len(sys.argv) < 2 or not os.path.isdir(sys.argv[1]):
        sys.exit("usage: tools/man.py BUILD [--update]")
    wrong = 0
    for page, marker, due in lists(sys.argv[1]):
        before, middle, after = split(page, marker)
        if middle == due:
            continue
        if "--update" in sys.argv[2:]:
            (ROOT / page).write_text(before + due + after)
            print(f"{page}: its {marker} are written anew")
        else:
            print(f"{page}: its {marker} are not those of the program; tools/man.py {sys.argv[1]} --update writes them")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
