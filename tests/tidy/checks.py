"""The checks that read source text. Each takes a Tree and gives a list of findings, "file:line: what is wrong"."""
import os
import re

from tree import comments

ENGINE = ("core", "crypto", "net")
OURS = ENGINE + ("tools", "tests", "bench")

# --- arrows -------------------------------------------------------------------------------------------------

ROOMS = ["wire", "mail", "lookup", "smtp", "delivery", "source", "admin"]
# What bytes and nouns must not know: the kernel, the turn, other cores, and (code-style section 4) the log.
MACHINE = {"core/" + h for h in ("io.h", "reactor.h", "wheel.h", "xcall.h", "runtime.h", "listener.h",
				 "journal.h", "file.h", "log.h", "clock.h")}


def room(path):
	"""'core', 'crypto', 'tools'..., or 'net.wire'; what lies in net/ itself is 'net'."""
	parts = path.split("/")
	if parts[0] == "net" and len(parts) > 2:
		return "net." + parts[1]
	return parts[0]


def may_see(own, other):
	if own == "core":
		return other == "core"
	if own == "crypto":
		return other in ("core", "crypto")
	if own == "net":		# the parameters: below all rooms
		return other in ("core", "crypto", "net")
	if not own.startswith("net."):
		return True
	if other in ("core", "crypto", "net", own):
		return True
	if not other.startswith("net.") or own[4:] not in ROOMS or other[4:] not in ROOMS:
		return False
	return ROOMS.index(other[4:]) < ROOMS.index(own[4:])


def arrows(tree):
	bad = []
	for path in tree.under(*ENGINE):
		for line, name, quoted in tree.includes(path):
			if quoted and not may_see(room(path), room(name)):
				bad.append(f"{path}:{line}: {room(path)} must not know {room(name)} ({name})")
	return bad


def rooms_known(tree):
	return [f"{p}:1: net/{p.split('/')[1]} is not one of the rooms {', '.join(ROOMS)}"
		for p in tree.under("net") if p.count("/") > 1 and p.split("/")[1] not in ROOMS]


def machine_unknown(tree):
	bad = []
	for path in tree.under("crypto", "net/wire", "net/mail"):
		for name, chain in sorted(tree.reaches(path).items()):
			if name in MACHINE:
				bad.append(f"{path}:1: knows the machine: {' -> '.join(chain)}")
	return bad


# --- doors --------------------------------------------------------------------------------------------------

DOORS = [	# library, its headers, who may see them
	("liburing", r"^(liburing(\.h|/)|linux/io_uring\.h)", r"^core/io_(uring|start)\w*\.[ch]$"),
	("c-ares", r"^ares", r"^net/lookup/resolver\w*\.c$"),
	("wolfSSL", r"^wolfssl/", r"^crypto/\w+\.c$"),
	("libcrypt", r"^crypt\.h", r"^crypto/passwords\.c$"),
	("Cyrus SASL", r"^sasl/", r"^crypto/auth\.c$"),
	("PCRE2", r"^pcre2", r"^core/table\w*\.c$"),
	("LMDB", r"^lmdb", r"^core/table\w*\.c$"),
	("Berkeley DB", r"^db\.h", r"^core/table\w*\.c$"),
	("tinycdb", r"^cdb\.h", r"^core/table\w*\.c$"),
	("libidn2", r"^idn2\.h", r"^net/lookup/idna\.c$"),
	("yyjson", r"^yyjson\.h", r"^net/wire/json\w*\.c$"),
	("llhttp", r"^llhttp\.h", r"^net/wire/http\w*\.c$"),
]


def doors(tree):
	bad = []
	for path in tree.under(*ENGINE, "tools"):
		for line, name, _ in tree.includes(path):
			for library, header, door in DOORS:
				if re.match(header, name) and not re.match(door, path):
					bad.append(f"{path}:{line}: {library} has one door, and this is not it ({name})")
	return bad


# --- calls --------------------------------------------------------------------------------------------------

BANNED = {	# call: what instead
	"strcpy": "str_add", "strcat": "str_add", "strncpy": "memcpy with a length", "strncat": "str_add",
	"sprintf": "str_printf", "vsprintf": "str_printf", "atoi": "slice_to_u64", "atol": "slice_to_u64",
	"atoll": "slice_to_u64", "atof": "nothing", "strtok": "slices", "strtok_r": "slices", "gets": "nothing",
	"rand": "random_below", "srand": "random.h", "rand_r": "random_below", "drand48": "random.h",
	"alloca": "a pool", "setjmp": "an error code", "longjmp": "an error code", "strerror": "err_text",
	"inet_aton": "addr_parse_ip", "inet_addr": "addr_parse_ip", "inet_ntoa": "addr_add_ip",
	# Row URG-29: liburing's checks of what a multishot recvmsg has written could be overflowed until 2026.
	"io_uring_prep_recvmsg_multishot": "io_recv", "io_uring_recvmsg_validate": "io_recv",
	"io_uring_recvmsg_payload": "io_recv", "io_uring_recvmsg_name": "io_recv",
	"gethostbyname": "resolver", "tmpnam": "mkstemp", "mktemp": "mkstemp", "system": "nothing",
}
# A test may start a shell to clear up after itself; its programs may use the C library's words.
BANNED_BUT_IN_TESTS = {"system", "strerror"}


def banned_calls(tree):
	bad = []
	call = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
	for path in tree.under(*OURS, ends=(".c", ".h", ".cc")):
		for number, line in enumerate(tree.code(path).split("\n"), 1):
			for m in call.finditer(line):
				if path.startswith("tests/") and m.group(1) in BANNED_BUT_IN_TESTS:
					continue
				bad.append(f"{path}:{number}: {m.group(1)} is banned; use {BANNED[m.group(1)]}")
	return bad


# --- form of files ------------------------------------------------------------------------------------------

def first_include(tree, path):
	includes = tree.includes(path)
	return includes[0][1] if includes else None


def own_header_first(tree):
	"""So that each header is compiled once with nothing before it. A module in several files may begin with its inner
	header, if that begins with the outer one."""
	bad = []
	for path in tree.under(*ENGINE, ends=(".c",)):
		header = path[:-2] + ".h"
		if header not in tree.files:
			continue
		first = first_include(tree, path)
		if first != header and not (first in tree.files and first_include(tree, first) == header):
			bad.append(f"{path}:1: the first include is not its own header {header}")
	return bad


def system_before_ours(tree):
	"""Own header, then system, then ours: a header of ours must not lean on what its includer has read before."""
	bad = []
	for path in tree.under(*ENGINE):
		includes = tree.includes(path)
		seen_ours = False
		for line, name, quoted in includes[1:] if includes and includes[0][2] else includes:
			if quoted:
				seen_ours = True
			elif seen_ours:
				bad.append(f"{path}:{line}: <{name}> comes after headers of ours")
	return bad


def includes_say_the_path(tree):
	bad = []
	for path in tree.under(*OURS, ends=(".c", ".h", ".cc")):
		for line, name, quoted in tree.includes(path):
			if quoted and "/" not in name:
				bad.append(f"{path}:{line}: \"{name}\" does not say its folder")
			elif quoted and name not in tree.files:
				bad.append(f"{path}:{line}: \"{name}\" is not in the tree")
	return bad


def headers_are_manual_pages(tree):
	bad = []
	for path in tree.under(*ENGINE, ends=(".h",)):
		if not tree.text(path).startswith(f"/* {os.path.basename(path)} - "):
			bad.append(f"{path}:1: does not begin with \"/* {os.path.basename(path)} - what it is\"")
		if "#pragma once" not in tree.text(path):
			bad.append(f"{path}:1: has no #pragma once")
	return bad


FUNCTION_LINES_MAX = 60
LONG_FUNCTIONS = {	# "file function": why it is one thought all the same
	"tests/unit/core/conf.c dollars": "a table of cases",
	"tests/unit/net/params.c values_load": "a table of values",
	"tests/unit/net/mail/crlf_reference.h crlf_reference_run": "the grammar once more, naively and in one place",
}


def function_lengths(tree):
	bad = []
	for path in tree.under(*OURS, ends=(".c", ".h", ".cc")):
		start = None
		lines = tree.code(path).split("\n")
		for number, line in enumerate(lines, 1):
			if line.rstrip() == "{":
				start = number
			elif line.startswith("}") and start is not None:
				name = function_name(lines, start)
				length = number - start + 1
				if length > FUNCTION_LINES_MAX and f"{path} {name}" not in LONG_FUNCTIONS:
					bad.append(f"{path}:{start}: {name} has {length} lines, of {FUNCTION_LINES_MAX}")
				start = None
	return bad


def function_name(lines, brace):
	head = ""
	at = brace - 2
	while at >= 0 and lines[at].strip() and not lines[at].startswith(("}", "#")):
		head = lines[at] + " " + head
		at -= 1
	m = re.search(r"(\w+)\s*\(", head)
	return m.group(1) if m else "?"


FILE_LINES_MAX = 800


def file_lengths(tree):
	return [f"{p}:1: {len(tree.lines(p)) - 1} lines, of {FILE_LINES_MAX}: look for the seam"
		for p in tree.under(*OURS, ends=(".c", ".h", ".cc")) if len(tree.lines(p)) - 1 > FILE_LINES_MAX]


LINE_COLUMNS_MAX = 120	# the goal is 100; a table or a comment may go a little wider
TEXT_COLUMNS_MAX = 140	# a line with text in quotes: what is said in one piece is found in one piece


def layout(tree):
	bad = []
	for path in tree.under(*OURS, ends=(".c", ".h", ".cc")):
		for number, line in enumerate(tree.lines(path), 1):
			most = TEXT_COLUMNS_MAX if '"' in line else LINE_COLUMNS_MAX
			if len(line.expandtabs(8)) > most:
				bad.append(f"{path}:{number}: {len(line.expandtabs(8))} columns, of {most}")
			if line != line.rstrip():
				bad.append(f"{path}:{number}: blanks at the end of the line")
			if re.match(r" {2,}\S", line) or re.match(r"\t* {8,}\S", line):
				bad.append(f"{path}:{number}: indented with blanks, not tabs")
		if tree.text(path) and not tree.text(path).endswith("\n"):
			bad.append(f"{path}:{len(tree.lines(path))}: the last line has no end")
	return bad


# --- words --------------------------------------------------------------------------------------------------

# Spelled in pieces, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
EXCUSES = re.compile(r"\b(" + "|".join(["for" + r" now(?=\W*(\*/|$))", "simpli" + "fied", "place" + "holder",
					"not imple" + "mented", "stub" + "bed"]) + r")\b", re.I)
FOREIGN_PATHS = re.compile(r"(?<![\w}])(/wo" + r"rk/|/ho" + r"me/\w)")


def unfinished(tree):
	bad = []
	for path in tree.files:
		if not tree.is_text(path) or path.startswith("tests/mail/"):
			continue
		for number, line in enumerate(tree.lines(path), 1):
			if UNFINISHED.search(line):
				bad.append(f"{path}:{number}: unfinished work belongs into an issue")
			if FOREIGN_PATHS.search(line):
				bad.append(f"{path}:{number}: a path of somebody's machine")
	for path in tree.under(*OURS, ends=(".c", ".h", ".cc")):
		for number, comment in comments(tree.text(path)):
			if EXCUSES.search(comment):
				bad.append(f"{path}:{number}: an excuse in a comment: {EXCUSES.search(comment).group(0)}")
	return bad


# --- the tree -----------------------------------------------------------------------------------------------

# Folders that mirror another one, or hold data that the folder above describes.
WITHOUT_README = re.compile(r"^(tests/unit(/|$)|tests/fuzz/corpus(/|$)|tests/fuzz$|tests/link$|tests/.*/data(/|$))")


def readmes(tree):
	folders = {os.path.dirname(f) for f in tree.files}
	folders = {f for f in folders if not any(part.startswith(".") for part in f.split("/") if part)}
	return [f"{f or '.'}/README.md:1: is missing" for f in sorted(folders)
		if not WITHOUT_README.match(f) and os.path.join(f, "README.md") not in tree.files
		and any(os.path.dirname(p) == f and tree.is_text(p) for p in tree.files)]


def dead_files(tree):
	"""Every .c is in some meson.build, as 'x.c', as 'folder/x.c', or without its ending (tests, benchmarks); every
	header is included by somebody."""
	bad = []
	named = set()
	for build in (f for f in tree.files if os.path.basename(f) == "meson.build"):
		folder = os.path.dirname(build)
		for m in re.finditer(r"'([^'\n]+)'", re.sub(r"#[^\n]*", "", tree.text(build))):
			word = m.group(1)
			for candidate in (word, word + ".c", "unit/" + word + ".c", "fuzz/fuzz_" + word + ".c",
					  "bench_" + word + ".c"):
				named.add(os.path.normpath(os.path.join(folder, candidate)))
	for path in tree.under(*OURS, ends=(".c", ".cc")):
		if path not in named:
			bad.append(f"{path}:1: no meson.build names it")
	included = {name for p in tree.under(*OURS, ends=(".c", ".h", ".cc")) for _, name, q in tree.includes(p) if q}
	for path in tree.under(*OURS, ends=(".h",)):
		if path not in included:
			bad.append(f"{path}:1: nobody includes it")
	return bad


# --- tests --------------------------------------------------------------------------------------------------

def test_names(tree):
	"""A claim is a sentence, and stands once per file; scripts may print the same words for several runs."""
	bad = []
	for path in tree.under("tests/unit", ends=(".c",)):
		seen = {}
		for m in re.finditer(r'\b\w*CLAIM(?:_WITH)?\(\s*"((?:[^"\\]|\\.)*)"', tree.text(path)):
			number = tree.text(path).count("\n", 0, m.start()) + 1
			if m.group(1) in seen:
				bad.append(f"{path}:{number}: the claim of line {seen[m.group(1)]} once more")
			seen[m.group(1)] = number
			if len(m.group(1).split()) < 3:
				bad.append(f"{path}:{number}: \"{m.group(1)}\" claims nothing")
	return bad


CHECKS = [
	("arrows: core < crypto < net, and the rooms of net in their order", arrows),
	("arrows: net has no rooms but the known ones", rooms_known),
	("arrows: crypto, net/wire and net/mail do not reach the machine or the log, by any chain", machine_unknown),
	("doors: each library's headers are seen through one door", doors),
	("calls: nothing banned is called", banned_calls),
	("includes: own header first", own_header_first),
	("includes: system headers before ours", system_before_ours),
	("includes: paths say their folder and exist", includes_say_the_path),
	("headers: each begins as its manual page", headers_are_manual_pages),
	(f"length: no function above {FUNCTION_LINES_MAX} lines", function_lengths),
	(f"length: no file above {FILE_LINES_MAX} lines", file_lengths),
	(f"layout: tabs, {LINE_COLUMNS_MAX} columns, no blanks at line ends", layout),
	("words: nothing unfinished, no excuses, no foreign paths", unfinished),
	("tree: every folder has its README.md", readmes),
	("tree: every source is built, every header included", dead_files),
	("tests: claims are sentences, each once per file", test_names),
]
