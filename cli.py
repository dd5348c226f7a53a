#!/usr/bin/env python3
"""Run crm_mailer from a checkout: makes .venv once, then hands over to the real program.

`python3 cli.py demo` runs the demo, `python3 cli.py test` the tests, any other word goes to the
program. Standard library only, in a syntax that an old python3 can read.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("CRM_MAILER_VENV", str(ROOT / ".venv")))
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
OLDEST = (3, 11)
NO_PYTHON = (
    "Python 3.11 or newer is needed, this is %d.%d and PATH has no other. Install one (Debian,"
    " Ubuntu: apt-get install python3.11-venv; macOS: brew install python), then try again."
)

#: Another Python is taken when it needs no more than this part of our time.
MUCH_QUICKER = 0.85
#: Work of the program's kind, the best of several times; fails where a needed module is missing.
WORK = """
import ensurepip, re, sqlite3, ssl, sys, time, venv
assert sys.implementation.name == "cpython"
def work():
    found, address = {}, re.compile("[a-z]+[0-9]+@[a-z.]+")
    for one in range(4000):
        key = "buyer%d@shop.example" % one
        found[key] = (key, one, {"at": one, "of": [key]})
    for key, (name, one, more) in found.items():
        name.replace("@", "=").encode(), more["at"], address.fullmatch(key)
def spent():
    begun = time.process_time()
    work()
    return time.process_time() - begun
print(min(spent() for _ in range(12)))
"""


def say(text):
    """One line to the person at the terminal."""
    print("crm-mailer: " + text, file=sys.stderr, flush=True)


def stop(text):
    """Say what is missing and leave."""
    say(text)
    raise SystemExit(69)


def new_enough_python():
    """A Python of 3.11 or newer: this one, or one on PATH."""
    if sys.version_info >= OLDEST:
        return quickest_twin()
    names = ["python3.%d" % minor for minor in range(20, OLDEST[1] - 1, -1)]
    found = [path for path in map(shutil.which, names) if path]
    return found[0] if found else stop(NO_PYTHON % sys.version_info[:2])


def quickest_twin():
    """This Python, unless PATH has one of the same version that is much quicker.

    A Python that was compiled without its profile, as version managers do it, needs half as much
    time again for everything. Only such a difference counts, and only one that is ready to use.
    """
    name = "python%d.%d" % sys.version_info[:2]
    folders = os.environ.get("PATH", "").split(os.pathsep)
    mine = str(Path(sys.executable).resolve())
    twins = {str((Path(one) / name).resolve()) for one in folders if one} - {mine}
    twins = [one for one in sorted(twins) if os.access(one, os.X_OK)]
    times = {one: seconds_of_work(one) for one in [mine, *twins]} if twins else {mine: 0.0}
    best = min(times, key=lambda one: times[one])
    if times[best] > MUCH_QUICKER * times[mine]:
        return sys.executable
    say("%s is quicker than %s" % (best, sys.executable))
    return best


def seconds_of_work(python):
    """What a little work costs a Python; infinite where it cannot make an environment."""
    try:
        found = subprocess.run(
            [python, "-I", "-c", WORK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=20, check=True,
        )  # fmt: skip
        return float(found.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return float("inf")


def add_ensurepip():
    """Debian keeps ensurepip in a package of its own: install it as root, else name the line."""
    line = ["apt-get", "install", "-y", "python3-venv"]
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        stop("this Python cannot make a virtual environment; run: sudo " + " ".join(line))
    say(" ".join(line))
    subprocess.call(["apt-get", "update", "-qq"])
    subprocess.check_call(line, stdout=subprocess.DEVNULL)


def make_environment(uv):
    """An empty .venv."""
    python = new_enough_python()
    if uv:
        subprocess.check_call([uv, "venv", "-q", "--allow-existing", "--python", python, str(VENV)])
        return
    if subprocess.call([python, "-c", "import ensurepip"], stderr=subprocess.DEVNULL):
        add_ensurepip()
    subprocess.check_call([python, "-m", "venv", "--clear", str(VENV)])


def set_up(lock):
    """Install what `lock` pins, once: a stamp in .venv remembers the lock's hash."""
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = VENV / (".crm-mailer-" + lock.stem)
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    say("setting up %s (once, under a minute) ..." % VENV)
    uv = shutil.which("uv")
    if not PYTHON.exists():
        make_environment(uv)
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    install = [uv, "pip", "install", "-q", "--python", str(PYTHON)] if uv else pip
    subprocess.check_call([*install, "--require-hashes", "-r", str(lock)])
    stamp.write_text(wanted)


@contextlib.contextmanager
def alone():
    """Two starts at once: the second waits until the first has set up."""
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with open(str(VENV) + ".lock", "w") as file:  # noqa: PTH123 - Path.open is newer
        if os.name != "nt":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main():
    """Set up what is missing, then become the program."""
    words = sys.argv[1:]
    is_test = words[:1] == ["test"]
    try:
        with alone():
            set_up(ROOT / ("requirements-test.txt" if is_test else "requirements.txt"))
    except subprocess.CalledProcessError as error:
        stop("this step failed, see above: " + " ".join(map(str, error.cmd)))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if is_test:
        os.chdir(str(ROOT))
    program = ["pytest", *words[1:]] if is_test else ["crm_mailer", *words]
    command = [str(PYTHON), "-m", *program]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = dict(os.environ, PYTHONPATH=path)
    if os.name == "nt":
        raise SystemExit(subprocess.call(command, env=environment))
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    main()
