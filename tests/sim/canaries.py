#!/usr/bin/env python3
"""canaries - engines that are broken on purpose: does the simulator notice, and within how many seeds?

	tests/sim/canaries.py [--seeds N] [--jobs N] [--only WORD]

Each canary is one change to one file, made in a copy of the tree under build-canaries/, never here. A change whose text is
no longer in the file exactly once is a failure: the canary has to follow the code. Prints "ok" or "not ok" lines.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
COPY = os.path.join(ROOT, "build-canaries")
COPIED = ("core", "crypto", "net", "tools", "tests", "bench", "meson.build", "meson_options.txt")

CANARIES = [  # name; then, once or more: file, what stands there, what stands there in the broken engine
	("a reply shifted by one recipient", "net/smtp/session_transaction.c",
	 "on_rcpt(s, t, e->rcpt, reply);",
	 "on_rcpt(s, t, e->rcpt + 1 < t->rcpt_count ? e->rcpt + 1 : e->rcpt, reply);"),
	("250 before the disk has it", "core/journal_commit.c",
	 "(f->syncing ? io_write_sync : io_write)(",
	 "(f->syncing ? io_write : io_write)("),
	("a stale epoch: content of a journal that failed counts", "net/source/spool_envelope.c",
	 "if (m->epoch == journal_epoch(j))",
	 "if (m->epoch <= journal_epoch(j))",
	 "net/source/spool_accept.c",
	 "if (m->fragment_count > 0 && m->epoch != epoch)",
	 "if (m->fragment_count > 0 && m->epoch > epoch)"),
	("QUIT behind the dot", "net/smtp/session_content.c",
	 "	return !t->dot_waits && add_end(s, t, \".\\r\\n\");",
	 "	return !t->dot_waits && add_end(s, t, \".\\r\\nQUIT\\r\\n\");"),
	("a dot skipped at the edge of a buffer", "net/mail/crlf.c",
	 "	c->line_at = c->pos;\n	c->state = CRLF_IN_LINE;\n	*ret_span = SLICE(\".\");",
	 "	c->line_at = c->pos;\n	c->state = CRLF_IN_LINE;\n	*ret_span = SLICE(\"\");"),
	("a lost connection after the dot counts as sent", "net/delivery/outcome.c",
	 "	if (step == SESSION_CONNECT)\n		return (struct outcome){ OUTCOME_SOFT, { 4, 4, 1 } };",
	 "	if (step == SESSION_FINAL_DOT)\n		return (struct outcome){ OUTCOME_SENT, { 2, 0, 0 } };"),
	("soft taken as hard", "net/delivery/outcome.c",
	 "	case 4:\n		return (struct outcome){ OUTCOME_SOFT, reply->enhanced };",
	 "	case 4:\n		return (struct outcome){ OUTCOME_HARD, reply->enhanced };"),
	("a lost wake-up between cores", "core/xcall.c",
	 "			io_wake(to);",
	 "			(void)to;"),
	("outcomes are told before they are durable", "net/source/spool_settle.c",
	 "		p->waiter.fn = settle_on_commit;\n		journal_commit(j, &p->waiter);",
	 "		settle_on_commit(&p->waiter, 0);"),
	("an attempt begins before that is durable", "net/source/spool_deliver.c",
	 "		p->waiter.fn = claim_on_commit;\n		journal_commit(j, &p->waiter);",
	 "		claim_on_commit(&p->waiter, 0);"),
	("what may be delivered twice is not announced", "net/delivery/outcome.c",
	 "	rcpt->ambiguous = v->maybe_delivered;",
	 "	rcpt->ambiguous = false;"),
	("content is given back while the kernel still sends it", "net/smtp/session_content.c",
	 "	t->window_queued[t->window] = queued;\n	if (!queued)",
	 "	t->window_queued[t->window] = false;\n	if (queued || !queued)"),
	("8-bit content for a server that takes none", "net/smtp/content.c",
	 "	return !(caps->bits & SMTP_CAP_8BITMIME) && !(msg->facts",
	 "	return !(caps->bits & SMTP_CAP_PIPELINING) && !(msg->facts"),
	("nobody minds silence", "net/smtp/session.c",
	 "		timer_arm_at(&s->deadline, s->deadline_ns);",
	 "		timer_cancel(&s->deadline);"),
]


def copy_file(source, target):
	"""Only what differs, and then with a new time: the build must see that a canary has gone."""
	with open(source, "rb") as f:
		new = f.read()
	if os.path.exists(target):
		with open(target, "rb") as f:
			if f.read() == new:
				return
	os.makedirs(os.path.dirname(target), exist_ok=True)
	shutil.copy(source, target)


def copy_tree():
	for name in COPIED:
		top = os.path.join(ROOT, name)
		if os.path.isfile(top):
			copy_file(top, os.path.join(COPY, name))
		for folder, _, files in os.walk(top):
			for f in files:
				source = os.path.join(folder, f)
				copy_file(source, os.path.join(COPY, os.path.relpath(source, ROOT)))
	deps = os.path.join(COPY, ".deps")
	if not os.path.islink(deps):
		os.symlink(os.path.join(ROOT, ".deps"), deps)


def change(path, old, new):
	"""Returns what was there, or None when it is not there exactly once."""
	with open(path, encoding="utf-8") as f:
		text = f.read()
	if text.count(old) != 1:
		return None
	with open(path, "w", encoding="utf-8") as f:
		f.write(text.replace(old, new))
	return text


def run(command, **options):
	return subprocess.run(command, cwd=COPY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
			      errors="replace", check=False, **options)


def build():
	if not os.path.exists(os.path.join(COPY, "build", "build.ninja")):
		done = run(["meson", "setup", "build"])
		if done.returncode != 0:
			sys.exit(done.stdout[-2000:])
	done = run(["ninja", "-C", "build", "tests/sim"])
	return None if done.returncode == 0 else done.stdout[-1500:]


def storms(seeds, jobs):
	return run(["build/tests/sim", "--seeds", str(seeds), "--jobs", str(jobs), "--out", "build/canary.tape"])


def verdict(seeds, jobs):
	trouble = build()
	if trouble is not None:
		return False, "does not build:\n" + trouble
	done = storms(seeds, jobs)
	found = re.search(r"not ok seed (\d+): (.*)", done.stdout)
	if found is None:
		return False, "not noticed in %d seeds" % seeds
	return True, "seed %s: %s" % (found.group(1), found.group(2)[:110])


def sing(number, canary, options):
	name = canary[0]
	before = []
	good = True
	for i in range(1, len(canary), 3):
		path = os.path.join(COPY, canary[i])
		text = change(path, canary[i + 1], canary[i + 2])
		if text is None:
			good, words = False, "its text does not stand once in " + canary[i]
		else:
			before.append((path, text))
	if good:
		good, words = verdict(options.seeds, options.jobs)
	for path, text in before:
		with open(path, "w", encoding="utf-8") as f:
			f.write(text)
	print("%s %d - caught: %s\n#  %s" % ("ok" if good else "not ok", number, name, words), flush=True)
	return good


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--seeds", type=int, default=2000)
	parser.add_argument("--jobs", type=int, default=2)
	parser.add_argument("--only", default="")
	options = parser.parse_args()
	chosen = [c for c in CANARIES if options.only in c[0]]
	copy_tree()
	good = sum(sing(number, canary, options) for number, canary in enumerate(chosen, 1))
	print("1..%d" % len(chosen))
	sys.exit(good != len(chosen))


main()
