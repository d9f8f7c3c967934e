"""postconf - ringpost config against the real one: defaults, main.cf, expansion, options, exit status

The same folder and arguments go to both. Defaults that differ are in DIFFERENT with their reason, and each entry must
still be needed.
"""

import os
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import tap  # noqa: E402

OURS = "differs by design"
NEWER = "the default of a later Postfix"
PLACE = "depends on the program or the machine"
DIFFERENT = {
    "config_directory": PLACE, "html_directory": PLACE, "readme_directory": PLACE, "process_id": PLACE,
    "process_name": PLACE, "service_name": PLACE, "syslog_name": PLACE, "mynetworks": PLACE, "myhostname": PLACE,
    "smtp_per_request_deadline": OURS, "lmtp_per_request_deadline": OURS,
    "smtpd_forbid_bare_newline": OURS, "smtpd_hard_error_limit": OURS, "smtpd_timeout": OURS,
    "smtpd_starttls_timeout": OURS, "smtpd_tls_auth_only": OURS, "smtpd_tls_security_level": OURS,
    "smtpd_client_event_limit_exceptions": OURS, "smtp_tls_dane_insecure_mx_policy": OURS,
    "smtp_tls_security_level": NEWER, "smtp_tls_fingerprint_digest": NEWER, "lmtp_tls_fingerprint_digest": NEWER,
    "append_dot_mydomain": NEWER, "smtputf8_enable": NEWER, "tls_eecdh_auto_curves": NEWER, "tls_high_cipherlist": NEWER,
    "tls_medium_cipherlist": NEWER, "tls_low_cipherlist": NEWER, "tls_export_cipherlist": NEWER,
}
MAY_AGREE = {"myhostname", "mynetworks", "config_directory"}	# on some machine

MAIN_CF = """
# a comment
smtp_helo_timeout = 5
   # in between
   s
myhostname = a.b.example
own = bar
smtp_fallback_relay = $own, ${own} ${nosuch?{no}:{yes}}
smtp_tls_security_level =
smtp_rcpt_timeout = 1s
smtp_rcpt_timeout = 2s
lmtp_lhlo_timeout = 7s
nobody = asks
"""


def run(program, folder, *args, env=None):
    done = subprocess.run([*program, "-c", folder, *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def values(text):
    return dict(line.split(" =", 1) for line in text.splitlines() if " =" in line)


def defaults(t, ours, theirs):
    mine, real = values(ours("-d")[1]), values(theirs("-d")[1])
    shared = [name for name in mine if name in real]
    differing = {name for name in shared if mine[name].strip() != real[name].strip()}
    t.ok(len(shared) > 250, "more than 250 parameters are in both programs", "%d are" % len(shared))
    t.ok(not differing - set(DIFFERENT), "their defaults are alike, but for those listed with a reason",
         "\n".join("%s: '%s' there, '%s' here" % (n, real[n], mine[n]) for n in sorted(differing - set(DIFFERENT))))
    t.ok(not set(DIFFERENT) - differing - MAY_AGREE, "every listed difference is one",
         str(set(DIFFERENT) - differing - MAY_AGREE))


def same(t, ours, theirs, *args):
    """Same lines and exit status."""
    mine, real = ours(*args), theirs(*args)
    t.ok(mine[:2] == real[:2], "config %s prints what postconf prints" % " ".join(args[:3]),
         "here: %s\nthere: %s" % (mine, real))


def main():
    t = tap.Tap("postconf")
    build = os.environ.get("RINGPOST_BUILD") or os.path.join(ROOT, "build")
    program = [os.path.join(build, "tools", "ringpost"), "config"]
    with e2e.Stage("postconf") as stage:
        folder = stage.dir
        with open(os.path.join(folder, "main.cf"), "w", encoding="ascii") as f:
            f.write(MAIN_CF)
        with open(os.path.join(folder, "master.cf"), "w", encoding="ascii"):
            pass

        def ours(*args):
            return run(program, folder, *args)

        def theirs(*args):
            return run([e2e.postfix_program("postconf")], folder, *args, env=e2e.postfix_environment())

        defaults(t, ours, theirs)
        same(t, ours, theirs, "-n")
        same(t, ours, theirs, "-nh")
        same(t, ours, theirs, "-nH")
        same(t, ours, theirs, "-nx")
        same(t, ours, theirs, "-x", "smtp_fallback_relay", "smtp_helo_name", "own", "smtp_helo_timeout")
        same(t, ours, theirs, "-h", "smtp_helo_timeout", "nosuch", "smtp_mail_timeout", "nobody")
        same(t, ours, theirs, "-n", "smtp_helo_timeout", "smtp_mail_timeout")
        same(t, ours, theirs, "-d", "smtp_helo_timeout", "own", "smtp_helo_name")
        same(t, ours, theirs, "-dn")
        same(t, ours, theirs, "-n", "-o", "smtp_mail_timeout=9s", "-o", "smtp_rcpt_timeout=3s")
        same(t, ours, theirs, "-Q")
        same(t, ours, theirs, "-c", os.path.join(folder, "nowhere"))
        t.ok("unknown parameter" in ours("nosuch")[2], "an unknown name is warned of", ours("nosuch")[2])
        t.ok("unused parameter: nobody" in ours("-n")[2], "what nobody uses is warned of", ours("-n")[2])
    return t.end()


if __name__ == "__main__":
    sys.exit(main())
