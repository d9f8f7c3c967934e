"""root - a mail server of somebody else's, run where it believes itself to be installed

    Rooted(stage, "exim", {"etc/exim4/exim.conf": text}, users=["Debian-exim"]).start(["/usr/sbin/exim4", "-bdf"])

Debian's MTAs conflict as packages and have their paths compiled in. So each runs in mount and process namespaces of its own,
in a root that is this machine's with the unpacked package (.deps/peers/NAME) and our files laid over it (overlayfs on a tmpfs):
nothing of the system changes, and when the process ends everything is gone. The stage's directory is the same inside and
outside: what the server stores there can be read.

bounds   the overlay holds at most OVERLAY_SIZE of memory
needs    root, overlayfs, .deps/peers (tools/setup)
"""

import os
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import e2e  # noqa: E402

PEERS = os.path.join(e2e.ROOT, ".deps", "peers")
PKI = os.path.join(e2e.ROOT, "tests", "unit", "crypto", "pki")      # server.pem is for mx.example.org
OVERLAY_SIZE = "1g"
FIRST_ID = 64100        # users and groups that exist in here only


class Rooted:
    def __init__(self, stage, package, files, users=(), folders=(), owners=None):
        e2e.need_root()
        self.dir = stage.path(package)
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o777)  # servers change their user
        self.package = os.path.join(PEERS, package)
        if not os.path.isdir(self.package):
            raise e2e.Failure("%s is missing: run tools/setup" % os.path.relpath(self.package, e2e.ROOT))
        self.log = os.path.join(self.dir, "output")
        self.extra = os.path.join(self.dir, "extra")
        self.process = None
        self._write(files, users)
        self.folders = folders
        self.owners = owners or {}

    def _write(self, files, users):
        files = dict(files)
        for name, line in (("passwd", "%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n"), ("group", "%s:x:%d:\n")):
            with open("/etc/" + name, encoding="utf-8") as base:
                text = base.read()
            for i, user in enumerate(users):
                if not any(one.startswith(user + ":") for one in text.splitlines()):
                    number = (FIRST_ID + i,) * line.count("%d")
                    text += line % ((user, *number))
            files["etc/" + name] = text
        for name, text in files.items():
            path = os.path.join(self.extra, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
            if name.endswith(".key"):
                os.chmod(path, 0o600)

    def _script(self, argv):
        over, root = "/mnt", "/mnt/root"
        lines = [
            "set -e",
            # In a chroot whose root is no mount point this is refused, and not needed.
            "mount --make-rprivate / 2>/dev/null || true",
            "mount -t tmpfs -o size=%s,mode=755 none %s" % (OVERLAY_SIZE, over),
            "mkdir %s/up %s/work %s" % (over, over, root),
            "cp -a %s/. %s/up/" % (shlex.quote(self.package), over),
            "cp -r %s/. %s/up/" % (shlex.quote(self.extra), over),
            "mount -t overlay none -o lowerdir=/,upperdir=%s/up,workdir=%s/work %s" % (over, over, root),
            "mount --rbind /dev %s/dev" % root,
            "mount -t proc none %s/proc" % root,
            "mkdir -p %s%s" % (root, shlex.quote(self.dir)),
            "mount --bind %s %s%s" % (shlex.quote(self.dir), root, shlex.quote(self.dir)),
        ]
        lines += ["mkdir -p %s/%s" % (root, folder) for folder in self.folders]
        lines += ["chroot %s chown %s /%s" % (root, owner, path) for path, owner in self.owners.items()]
        lines.append("exec chroot %s %s" % (root, " ".join(map(shlex.quote, argv))))
        return "\n".join(lines)

    def start(self, argv):
        with open(self.log, "ab") as log:
            self.process = e2e.Process(os.path.basename(argv[0]), [
                "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", self._script(argv)],
                stdout=log, stderr=subprocess.STDOUT)
        return self

    def wait(self, what, question, limit_s=20):
        def ask():
            if not self.process.running():
                raise e2e.Failure("%s ended\n%s" % (what, self.tail()))
            return question()
        try:
            e2e.wait_for(what, ask, limit_s)
        except e2e.Failure as e:
            raise e2e.Failure("%s\n%s" % (e, self.tail())) from e

    def tail(self, lines=20):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def stop(self):
        if self.process is not None:
            self.process.stop()


def server_pair():
    """Certificate and key as files of a root; some servers insist on a key that nobody else can read."""
    files = {}
    for name in ("server.pem", "server.key", "root.pem"):
        with open(os.path.join(PKI, name), encoding="ascii") as file:
            files["etc/ringpost/" + name] = file.read()
    return files


def maildir(folder):
    """The octets of each file of a Maildir, line ends as on the wire."""
    new = os.path.join(folder, "new")
    for name in sorted(os.listdir(new)) if os.path.isdir(new) else []:
        with open(os.path.join(new, name), "rb") as file:
            yield file.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def stored(folder):
    """(recipients, octets) of each file done.*: the recipients are its first line."""
    for name in sorted(os.listdir(folder)):
        if name.startswith("done.") and not name.endswith(".tmp"):
            with open(os.path.join(folder, name), "rb") as file:
                rcpts, _, octets = file.read().partition(b"\n")
            yield [one.rstrip(".") for one in rcpts.decode().split()], octets


def split_trace(octets, last):
    """What the server put on top, up to its field `last`: ({name: value}, the rest)."""
    fields = {}
    for _ in range(8):
        end = octets.index(b"\r\n")
        while octets[end + 2:end + 3] in (b" ", b"\t"):
            end = octets.index(b"\r\n", end + 2)
        name, _, value = octets[:end].partition(b":")
        fields[name.lower()] = value.strip().strip(b"<>").decode(errors="replace")
        octets = octets[end + 2:]
        if name.lower() == last:
            return fields, octets
    raise e2e.Failure("no field %s on top: %r" % (last.decode(), octets[:80]))
