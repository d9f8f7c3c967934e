#!/usr/bin/env python3
"""postfix_instance.py - a private Postfix from the unpacked package, in a directory of its own

Two roles:
  relay     takes mail from loopback and passes everything to one next hop: the peer of the benchmark
  receiver  takes mail for given domains and stores it in a Maildir as it came: the real smtpd of the
            interoperability tests. Instance.delivered() gives the octets back.

As a module:
    relay = stage.add(postfix_instance.relay(stage.path("postfix"), nexthop=("127.0.0.1", 2525)))
    receiver = stage.add(postfix_instance.receiver(stage.path("mx"), ["one.test", "two.test"]))
    ... receiver.host, receiver.port ...

As a program (for shell scripts; prints the port on the first line):
    postfix_instance.py start relay DIR --nexthop 127.0.0.1:2525 [--port N] [-o name=value]...
    postfix_instance.py start receiver DIR --domain one.test --domain two.test
    postfix_instance.py status DIR | stop DIR

bounds   start and stop take at most 20 s each
needs    root, users postfix and group postdrop, .deps/postfix (tools/setup makes all of them)
never    reads or writes the system's /etc/postfix or /var/spool/postfix; stops only the master that
         its own queue directory names and that works there
"""

import argparse
import collections
import grp
import os
import pwd
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import e2e                              # noqa: E402 (the path has to be set first)

# service, type, private, unprivileged, chroot, wakeup, maxproc, command.
# No chroot anywhere: a private queue directory has no /etc and no libraries inside.
# No pickup: mail comes in over SMTP only. anvil stays, smtpd insists on it.
SERVICES = """
%(listen)s  inet  n - n - -   smtpd
cleanup     unix  n - n - 0   cleanup
qmgr        unix  n - n 300 1 qmgr
rewrite     unix  - - n - -   trivial-rewrite
bounce      unix  - - n - 0   bounce
defer       unix  - - n - 0   bounce
trace       unix  - - n - 0   bounce
flush       unix  n - n 1000? 0 flush
proxymap    unix  - - n - -   proxymap
smtp        unix  - - n - -   smtp
relay       unix  - - n - -   smtp
showq       unix  n - n - -   showq
error       unix  - - n - -   error
retry       unix  - - n - -   error
discard     unix  - - n - -   discard
virtual     unix  - n n - -   virtual
tlsmgr      unix  - - n 1000? 1 tlsmgr
tlsproxy    unix  - - n - 0   tlsproxy
anvil       unix  - - n - 1   anvil
scache      unix  - - n - 1   scache
postlog     unix-dgram n - n - 1 postlogd
"""

# Directories of a queue: owner, mode. qmgr and friends would otherwise be told by post-install(1),
# which also looks after the system's shared files; we do not want it near them.
QUEUE_DIRS = (
    [("postfix", "postfix", 0o700, d) for d in (
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
        "saved", "trace")]
    + [("postfix", "postdrop", 0o730, "maildrop"), ("postfix", "postdrop", 0o710, "public"),
       ("root", "root", 0o755, "pid")])

COMMON = {
    "compatibility_level": "3.6",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "mynetworks": "127.0.0.0/8",
    "mynetworks_style": "host",
    # The launcher clears the environment; the unpacked libraries have to stay findable.
    "import_environment": "MAIL_CONFIG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME "
                          "LD_LIBRARY_PATH",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "mydestination": "",
    "biff": "no",
    # Loopback has no reverse zone worth asking for, and the machine may have no resolver at all.
    "smtpd_peername_lookup": "no",
    "disable_dns_lookups": "yes",
    "smtp_tls_security_level": "none",
    "smtpd_tls_security_level": "none",
    # Header rewriting is for a site's own users; here it would change octets we compare.
    "local_header_rewrite_clients": "",
    "append_dot_mydomain": "no",
    "append_at_myorigin": "no",
}

Delivered = collections.namedtuple("Delivered", "path sender rcpt received content")


class Instance:
    """A started Postfix. host and port are where its smtpd listens."""

    def __init__(self, directory, role, parameters, port=None, host="127.0.0.1"):
        e2e.need_root()
        self.dir = os.path.abspath(directory)
        self.role = role
        self.host = host
        self.port = port or e2e.free_port(host)
        self.config = os.path.join(self.dir, "etc")
        self.queue = os.path.join(self.dir, "queue")
        self.log = os.path.join(self.dir, "log", "maillog")
        self._create(parameters)
        self._start()

    # -------- creation

    def _create(self, parameters):
        try:
            pwd.getpwnam("postfix")
            postdrop = grp.getgrnam("postdrop").gr_gid
        except KeyError as e:
            raise e2e.Failure("%s: run tools/setup" % e) from e
        e2e.postfix_program("postfix")
        os.makedirs(self.dir, exist_ok=True)
        for name in ("etc", "queue", "log", "meta"):
            os.makedirs(os.path.join(self.dir, name), mode=0o755)
        for owner, group, mode, name in QUEUE_DIRS:
            path = os.path.join(self.queue, name)
            os.mkdir(path)
            gid = postdrop if group == "postdrop" else grp.getgrnam(group).gr_gid
            os.chown(path, pwd.getpwnam(owner).pw_uid, gid)
            os.chmod(path, mode)
        data = os.path.join(self.dir, "data")
        os.mkdir(data, 0o700)
        os.chown(data, pwd.getpwnam("postfix").pw_uid, pwd.getpwnam("postfix").pw_gid)
        # Nothing shared is ours to check; nothing in the map list needs a plug-in.
        for name in ("postfix-files", "dynamicmaps.cf"):
            open(os.path.join(self.dir, "meta", name), "w").close()
        self._write_main_cf(parameters)
        listen = "%s:%d" % (self.host, self.port)
        with open(os.path.join(self.config, "master.cf"), "w") as f:
            f.write(SERVICES.lstrip() % {"listen": listen})

    def _write_main_cf(self, parameters):
        own = {
            "config_directory": self.config,
            "queue_directory": self.queue,
            "data_directory": os.path.join(self.dir, "data"),
            "command_directory": e2e.POSTFIX_SBIN,
            "daemon_directory": e2e.POSTFIX_DAEMONS,
            "shlib_directory": e2e.POSTFIX_LIBS,
            "meta_directory": os.path.join(self.dir, "meta"),
            "maillog_file": self.log,
            "maillog_file_prefixes": os.path.join(self.dir, "log"),
            "myhostname": "%s.postfix.test" % self.role,
            "syslog_name": "postfix-%s" % self.role,
        }
        with open(os.path.join(self.config, "main.cf"), "w") as f:
            for name, value in {**COMMON, **own, **parameters}.items():
                f.write("%s = %s\n" % (name, value))

    # -------- life

    def _command(self, *argv, limit_s=20):
        run = subprocess.run([e2e.postfix_program("postfix"), "-c", self.config, *argv],
                             env=e2e.postfix_environment(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit_s,
                             cwd="/", check=False)
        return run.returncode, run.stdout.decode(errors="replace").strip()

    def _start(self):
        # The marker that a clean "postfix quick-stop" leaves: postfix-script then skips its
        # inspection of the queue (ours is new) and of the system's shared files (not ours).
        open(os.path.join(self.queue, "quick-start"), "w").close()
        code, said = self._command("start")
        if code != 0:
            raise e2e.Failure("private postfix did not start: %s\n%s" % (said, self.log_tail()))
        try:
            e2e.wait_for("the greeting of the private postfix",
                         lambda: e2e.greets(self.host, self.port), 20)
        except e2e.Failure as e:
            self.stop()
            raise e2e.Failure("%s\n%s" % (e, self.log_tail())) from e

    def reload(self):
        """Servers that are there already begin anew."""
        code, said = self._command("reload")
        if code != 0:
            raise e2e.Failure("private postfix did not reload: %s" % said)

    @property
    def pid(self):
        return master_pid(self.queue)

    def stop(self):
        stop_instance(self.dir)

    # -------- questions

    def log_tail(self, lines=15):
        try:
            with open(self.log, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return "(no log yet)"

    def queued(self):
        """Messages anywhere in the queue. Reads directories instead of asking showq(8), so that
        looking costs the instance nothing."""
        total = 0
        for name in ("incoming", "active", "deferred", "hold", "maildrop"):
            for _, _, files in os.walk(os.path.join(self.queue, name)):
                total += len(files)
        return total

    def cpu_seconds(self):
        """Of master and every daemon it has had."""
        return e2e.cpu_seconds_family(self.pid)

    def delivered(self):
        """Everything a receiver has stored, as Delivered tuples. content is what came over the wire
        after DATA: CRLF line ends, dot-stuffing undone, without the headers Postfix put on top."""
        new = os.path.join(self.dir, "mail", "inbox", "new")
        if not os.path.isdir(new):
            return []
        return [self._read_delivered(os.path.join(new, name)) for name in sorted(os.listdir(new))]

    def _read_delivered(self, path):
        with open(path, "rb") as f:
            rest = f.read()
        seen = {}
        ours = b"by receiver.postfix.test (Postfix)"
        for _ in range(8):              # Return-Path, X-Original-To, Delivered-To, Received
            name, _, _ = rest.partition(b":")
            end = rest.index(b"\n") + 1
            while rest[end:end + 1] in (b" ", b"\t"):
                end = rest.index(b"\n", end) + 1
            field, rest = rest[:end], rest[end:]
            seen[name.lower()] = field[len(name) + 1:].strip()
            if name.lower() == b"received":
                break
        if ours not in seen.get(b"received", b""):
            raise e2e.Failure("%s: the receiver's own Received header is not on top" % path)
        return Delivered(path, seen.get(b"return-path", b"").strip(b"<>").decode(),
                         seen.get(b"x-original-to", b"").decode(), seen[b"received"],
                         rest.replace(b"\n", b"\r\n"))


def master_pid(queue):
    """The process id in the master's lock file; 0 if there is none or it is stale. A master works
    inside its queue directory, so another program that was given the same id is not mistaken for it."""
    try:
        with open(os.path.join(queue, "pid", "master.pid")) as f:
            pid = int(f.read().split()[0])
        here = os.path.realpath("/proc/%d/cwd" % pid)
        return pid if here == os.path.realpath(queue) else 0
    except (OSError, ValueError, IndexError):
        return 0


def stop_instance(directory):
    """postfix stop: TERM to the master of that queue, KILL to its process group after 5 s. The master
    has to be gone before we return, or its directory could be removed under it."""
    queue = os.path.join(os.path.abspath(directory), "queue")
    pid = master_pid(queue)
    if not pid:
        return
    try:
        subprocess.run([e2e.postfix_program("postfix"), "-c", os.path.join(directory, "etc"), "stop"],
                       env=e2e.postfix_environment(), stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, cwd="/",
                       check=False)
    finally:
        e2e.wait_for("the end of the private postfix", lambda: e2e.is_gone(pid), 10)


# ---------------------------------------------------------------- the two roles

def relay(directory, nexthop, port=None, concurrency=50, overrides=None):
    """A fairly tuned relay. Every setting that differs from Postfix's default is here with its reason;
    durability is as Postfix does it (each queue file is fsynced before 250), nothing is switched off."""
    parameters = {
        "relayhost": "[%s]:%d" % nexthop,
        # Default 100 for smtpd, smtp and cleanup alike: 50 injectors that reconnect for every
        # message need more than 50 smtpd while old ones still say goodbye.
        "default_process_limit": "200",
        # Default 20. Raised to what the benchmark gives ringpostd, and reached at once: one
        # destination, so the slow start would only measure itself.
        "default_destination_concurrency_limit": str(concurrency),
        "initial_destination_concurrency": str(concurrency),
        # Default 100 requests per process and then a new one; on a busy relay that is pure fork.
        "max_use": "10000",
        # Default on demand already; named, so that the first messages reuse connections too.
        "smtp_connection_cache_destinations": "%s" % nexthop[0],
        "smtp_connection_reuse_count_limit": "0",
        # Loopback clients are in mynetworks and hence exempt from anvil's limits; 0 says it aloud.
        "smtpd_client_connection_count_limit": "0",
        "smtpd_client_connection_rate_limit": "0",
        # in_flow_delay stays at its default of 1s: it slows input down when the queue manager is
        # behind, which favours delivery and with it the end-to-end rate that we measure.
        # qmgr_message_active_limit stays at 20000.
    }
    return Instance(directory, "relay", {**parameters, **(overrides or {})}, port)


def receiver(directory, domains, port=None, host="127.0.0.1", overrides=None):
    """A real smtpd that accepts any recipient in these domains. virtual(8) writes a Maildir, one file
    per delivery; one inbox for all, the recipient is in X-Original-To."""
    user = pwd.getpwnam("postfix")
    base = os.path.join(os.path.abspath(directory), "mail")
    os.makedirs(os.path.join(base, "inbox"), exist_ok=True)
    for path in (base, os.path.join(base, "inbox")):
        os.chown(path, user.pw_uid, user.pw_gid)
    parameters = {
        "inet_interfaces": host,
        "virtual_mailbox_domains": ", ".join(domains),
        "virtual_mailbox_base": base,
        "virtual_mailbox_maps": "static:inbox/",
        "virtual_uid_maps": "static:%d" % user.pw_uid,
        "virtual_gid_maps": "static:%d" % user.pw_gid,
        "virtual_minimum_uid": "1",
        "virtual_mailbox_limit": "0",
        "message_size_limit": "104857600",
        # One delivery, one recipient, one file: otherwise X-Original-To names only the first.
        "virtual_destination_recipient_limit": "1",
        "smtpd_recipient_restrictions": "reject_unauth_destination",
        "smtpd_relay_restrictions": "reject_unauth_destination",
        "default_process_limit": "200",
        "smtpd_client_connection_count_limit": "0",
        "smtpd_error_sleep_time": "0",
        # Octets as they came: no header checks, no address mapping, no MIME conversion.
        "receive_override_options": "no_header_body_checks, no_address_mappings",
        "disable_mime_output_conversion": "yes",
    }
    return Instance(directory, "receiver", {**parameters, **(overrides or {})}, port, host)


# ---------------------------------------------------------------- command line

def _endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def main():
    parser = argparse.ArgumentParser(description="a private Postfix in a directory of its own")
    verbs = parser.add_subparsers(dest="verb", required=True)
    start = verbs.add_parser("start")
    start.add_argument("role", choices=("relay", "receiver"))
    start.add_argument("dir")
    start.add_argument("--port", type=int)
    start.add_argument("--nexthop", type=_endpoint, help="relay: where everything goes, HOST:PORT")
    start.add_argument("--domain", action="append", help="receiver: a domain it accepts")
    start.add_argument("-o", dest="overrides", action="append", default=[], metavar="NAME=VALUE")
    for verb in ("status", "stop"):
        verbs.add_parser(verb).add_argument("dir")
    args = parser.parse_args()

    if args.verb == "stop":
        stop_instance(args.dir)
        return 0
    if args.verb == "status":
        pid = master_pid(os.path.join(os.path.abspath(args.dir), "queue"))
        print("running, process %d" % pid if pid else "not running")
        return 0 if pid else 1
    overrides = dict(o.split("=", 1) for o in args.overrides)
    if args.role == "relay":
        if not args.nexthop:
            parser.error("a relay needs --nexthop")
        instance = relay(args.dir, args.nexthop, args.port, overrides=overrides)
    else:
        if not args.domain:
            parser.error("a receiver needs --domain")
        instance = receiver(args.dir, args.domain, args.port, overrides=overrides)
    print(instance.port)
    print("stop with: %s stop %s" % (shlex.quote(sys.argv[0]), shlex.quote(instance.dir)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except e2e.Failure as failure:
        print("postfix_instance: %s" % failure, file=sys.stderr)
        sys.exit(1)
