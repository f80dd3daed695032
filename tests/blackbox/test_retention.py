"""What has ended leaves the database, and the log keeps it."""
import os
import re
import sqlite3
import time

from acme_raw import Client, certificates
from harness import running_ca

DAY = 86400


def setting(name, value):
    return lambda text: re.sub(rf"(?m)^(\s*)#?{name} = .*$", rf"\g<1>{name} = {value}", text, count=1)


def aged(data, at, days):
    """An id as it would be if it had been made so many days earlier."""
    ms = int.from_bytes(data[at:at + 6], "big") - days * DAY * 1000
    return data[:at] + ms.to_bytes(6, "big") + data[at + 6:]


def test_old_days_go_and_what_holds_stays():
    with running_ca(edit=setting("keep", '"30d"')) as ca:
        client = Client(ca)
        client.register()
        kept = certificates(client.issue("kept.example"))[0]
        ca.stop()
        database = ca.folder / "state/front/store.db"
        owner = database.stat()
        with sqlite3.connect(database) as db:
            columns = [c[1] for c in db.execute("PRAGMA table_info(certificates)")]
            (row,) = db.execute(f"SELECT {', '.join(columns)} FROM certificates").fetchall()
            for days in range(60, 90):
                old = dict(zip(columns, row), serial=aged(row[0], 1, days))
                old["not_after_s"] -= days * DAY + 40 * DAY
                db.execute(f"INSERT INTO certificates ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", [old[c] for c in columns])
        db.close()
        for path in database.parent.iterdir():
            os.chown(path, owner.st_uid, owner.st_gid)
        ca.start()
        end = time.monotonic() + 30
        while "database.dropped" not in ca.log_text():
            assert time.monotonic() < end
            time.sleep(0.2)
        assert 'certificates=30 ' in re.search(r"database.dropped.*", ca.log_text())[0] + " "
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
            assert db.execute("SELECT serial FROM certificates").fetchall() == [(kept.serial_number.to_bytes(16, "big"),)]
        db.close()
        assert ca.status()["processes"]["front"]["counts"]["dropped"] == 30
        assert ca.run("check-config", "--config", ca.config).returncode == 0


def test_less_than_a_day_is_refused():
    with running_ca() as ca:
        ca.config.write_text(setting("keep", '"1h"')(ca.config.read_text()))
        result = ca.run("check-config", "--config", ca.config, check=False)
        assert result.returncode == 2 and "one day or more" in result.stderr
