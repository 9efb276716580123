"""A portal of one's own, for drills and load: its data folder, a pretended Spark, and a client of its API.

Python's standard library alone. Only processes that were started here are ended here.
"""

import http.client
import json
import os
import pathlib
import re
import secrets
import socket
import subprocess
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
STARTED = "Tourmaline serves"
# As serde reads them: what is asked of the machine is held against these, not against what it has.
ROOMY = {"LOCAL__CORES": "64", "LOCAL__MEMORY": "256g"}


def binary(release=False):
    """TOURMALINE_BIN, or what cargo makes of this checkout."""
    given = os.environ.get("TOURMALINE_BIN")
    if given:
        return pathlib.Path(given).resolve()
    command = ["cargo", "build", "--quiet", "--locked"] + (["--release"] if release else [])
    subprocess.run(command, cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / ("release" if release else "debug") / "tourmaline"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def pretend_spark(folder, submit):
    """A Spark whose spark-submit is this script, and a Java to go with it; the environment in which they are found."""
    (folder / "spark/jars").mkdir(parents=True)
    (folder / "spark/jars/spark-core_2.12-3.5.9.jar").touch()
    script(folder / "spark/bin/spark-submit", submit)
    script(folder / "java/bin/java", "#!/bin/sh\necho 'openjdk version \"17.0.1\" 2021-10-19' >&2\n")
    return {"PATH": f"{folder / 'java/bin'}:{os.environ['PATH']}", "SPARK_HOME": str(folder / "spark")}


class Database:
    """A new database on a PostgreSQL server, gone afterwards; needs psql."""

    def __init__(self, server):
        self.server, self.name = server, f"tourmaline_{secrets.token_hex(6)}"
        self.url = urllib.parse.urlsplit(server)._replace(path="/" + self.name).geturl()
        self.ask(server, f"CREATE DATABASE {self.name}")

    @staticmethod
    def ask(url, sql):
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", "-"]
        done = subprocess.run(command, input=sql, text=True, capture_output=True)
        if done.returncode:
            raise SystemExit(f"psql: {done.stderr}")
        return done.stdout.strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ask(self.server, f"DROP DATABASE {self.name} WITH (FORCE)")


class Portal:
    """The portal as a process, on a loopback port that stays the same when it is started again."""

    def __init__(self, binary, folder, database=None, environment=None, settings=None):
        self.binary, self.data, self.port = binary, folder / "data", free_port()
        self.log = open(folder / "portal.log", "ab")
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TOURMALINE_")}
        # One user's programs ask faster here than anybody's should.
        fast = {"SERVER__API_REQUESTS_PER_SECOND": "1000000", "SERVER__API_REQUESTS_AT_ONCE": "1000000"}
        own = {f"TOURMALINE_{key}": value for key, value in {**fast, **(settings or {})}.items()}
        if database:
            own["TOURMALINE_DATABASE__URL"] = database
        self.environment = {**clean, **own, "TOURMALINE_DATA": str(self.data), **(environment or {})}
        self.process = None

    def start(self):
        """Starts it, without waiting until it serves."""
        self.serves = threading.Event()
        self.process = subprocess.Popen(
            [self.binary, "serve", "--listen", f"127.0.0.1:{self.port}"],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        threading.Thread(target=self._listen, args=(self.process, self.serves), daemon=True).start()

    def _listen(self, process, serves):
        for line in process.stderr:
            self.log.write(line)
            self.log.flush()
            if line.startswith(STARTED.encode()):
                serves.set()

    def wait(self, seconds=60):
        """Until it serves."""
        end = time.monotonic() + seconds
        while not self.serves.wait(0.05):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the portal did not start; see {self.log.name}")

    def kill(self):
        if self.process.poll() is not None:
            raise SystemExit(f"the portal ended by itself ({self.process.returncode}); see {self.log.name}")
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(40)

    def admin(self, *words, stdin=""):
        done = subprocess.run([self.binary, "admin", *words], env=self.environment, input=stdin, text=True, capture_output=True)
        if done.returncode:
            raise SystemExit(f"admin {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def user(self, name, scope="write"):
        """A new user's token."""
        self.admin("user", "add", name, "--password-stdin", stdin=secrets.token_hex(16))
        return self.admin("token", name, "--scope", scope)

    def memory(self, most=False):
        """Resident memory in bytes: now, or the most since `forget_most` (Linux)."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{'VmHWM' if most else 'VmRSS'}:\s+(\d+)", status)[1]) * 1024

    def forget_most(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def processor(self):
        """Seconds of processor time so far (Linux)."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Client:
    """One kept connection with a token. Not for several threads at once."""

    def __init__(self, portal, token):
        self.port, self.token, self.connection = portal.port, token, None

    def send(self, method, path, body=None, headers=None):
        """Status, headers and bytes. An answer that was lost is an OSError or an HTTPException."""
        headers = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if isinstance(body, (dict, list)):
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            self.connection.request(method, "/api/v1" + path, body, headers)
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def call(self, method, path, body=None, headers=None, wanted=(200, 201, 202, 204)):
        """The answer's JSON; another status than those wanted ends the run."""
        status, _, text = self.send(method, path, body, headers)
        if status not in wanted:
            raise SystemExit(f"{method} {path}: {status} {text.decode(errors='replace')}")
        return json.loads(text) if text else None

    def all(self, path):
        """Every item of a list."""
        after, items = "", []
        while after is not None:
            sign = "&" if "?" in path else "?"
            page = self.call("GET", f"{path}{sign}limit=200" + (f"&after={after}" if after else ""))
            items += page["items"]
            after = page["next"]
        return items

    def project(self, name, files=()):
        """A new project's id, with these files in it."""
        project = self.call("POST", "/projects", {"name": name})["id"]
        for path, text in dict(files).items():
            self.call("PUT", f"/projects/{project}/files/{path}", text)
        return project
