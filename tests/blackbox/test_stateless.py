"""Web servers that answer http-01 by themselves: chancery account snippet in a real nginx, Apache and HAProxy, and chancery issue --stateless."""
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness import free_port, running_ca
from test_client import DONE, FAILED, chancery, check_files, failed


@pytest.fixture(scope="module")
def ca():
    with running_ca(http_port=free_port()) as ca:
        yield ca


@pytest.fixture
def run(ca, tmp_path):
    def run(command, *words, expect=DONE):
        result = chancery(command, *words, "--server", ca.base + "/directory", "--ca-file", ca.root, "--folder", tmp_path / "f", "--timeout", 60)
        assert result.returncode == expect, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    run.folder = tmp_path / "f"
    return run


def nginx(folder, port, snippet):
    (folder / "nginx.conf").write_text(f"daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\nclient_body_temp_path {folder}/b;\n"
                                       f"proxy_temp_path {folder}/p;\nfastcgi_temp_path {folder}/f;\nuwsgi_temp_path {folder}/u;\nscgi_temp_path {folder}/s;\n"
                                       f"server {{\nlisten 127.0.0.1:{port};\n{snippet}}}\n}}\n")
    return ["/usr/sbin/nginx", "-c", folder / "nginx.conf", "-p", folder]


def apache(folder, port, snippet):
    modules = pathlib.Path("/usr/lib/apache2/modules")
    load = "".join(f"LoadModule {m}_module {modules}/mod_{m}.so\n" for m in ("mpm_event", "authz_core", "rewrite"))
    (folder / "htdocs").mkdir()
    (folder / "apache.conf").write_text(f"{load}ServerName localhost\nServerRoot {folder}\nPidFile {folder}/pid\nErrorLog /dev/stderr\nListen 127.0.0.1:{port}\n"
                                        f"DefaultRuntimeDir {folder}\nUser nobody\nGroup nogroup\n"
                                        f"<VirtualHost 127.0.0.1:{port}>\nDocumentRoot {folder}/htdocs\n{snippet}</VirtualHost>\n")
    return ["/usr/sbin/apache2", "-f", folder / "apache.conf", "-DFOREGROUND"]


def haproxy(folder, port, snippet):
    (folder / "haproxy.cfg").write_text(f"defaults\n\tmode http\n\ttimeout connect 5s\n\ttimeout client 5s\n\ttimeout server 5s\nfrontend one\n\tbind 127.0.0.1:{port}\n"
                                        + "".join("\t" + line + "\n" for line in snippet.splitlines()))
    return ["/usr/sbin/haproxy", "-f", folder / "haproxy.cfg", "-db"]


def up(process, port):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert process.poll() is None, process.stderr.read()
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the web server does not listen")


@pytest.mark.parametrize("server", (nginx, apache, haproxy))
def test_a_web_server_that_answers_by_itself(ca, run, tmp_path, server):
    run("issue", "nobody.example", "--http-port", 1, expect=FAILED)  # makes the account, and no more
    snippet = run("account", "snippet", server.__name__).stdout
    folder = tmp_path / "server"
    folder.mkdir()
    process = subprocess.Popen([str(w) for w in server(folder, ca.http_port, snippet)], stderr=subprocess.PIPE, text=True)
    try:
        up(process, ca.http_port)
        name = f"{server.__name__}.example"
        run("issue", name, f"www.{name}", "--stateless")
        check_files(run.folder / name / "live", [name, f"www.{name}"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        process.stderr.close()
        shutil.rmtree(folder, ignore_errors=True)


def test_what_cannot_be(run):
    run("issue", "nobody.example", "--http-port", 1, expect=FAILED)
    failed(run("account", "snippet", "iis", expect=FAILED), "nginx, apache and haproxy are known")
    failed(run("issue", "x.example", "--stateless", "--webroot", "/tmp", expect=FAILED), "two ways for one thing")
    failed(run("issue", "x.example", "--stateless", "--http-port", "80", expect=FAILED), "say nothing")
