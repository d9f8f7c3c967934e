/* script.h - a dialogue as text becomes steps; README.md beside it has the language
 *
 * memory   everything lives until the process ends, which plays one script
 * errors   printed as "file:line: what is wrong", all of a file at once
 */
#pragma once

#include "core/addr.h"
#include "core/slice.h"
#include "net/mail/message.h"
#include "tests/sim/net.h"

#define SCRIPT_QUOTED_MAX	4u
#define SCRIPT_PIECES_MAX	6u

enum item_kind {
	/* the client's turn */
	ITEM_LINE,		/* C text */
	ITEM_MESSAGE,		/* C <message>: dot-stuffed, with the final dot */
	ITEM_CHUNK,		/* C <chunk>: what the BDAT line before announced */
	ITEM_OCTETS,		/* C <octets 100>: of anything */
	ITEM_EXACTLY,		/* C <raw "octets">, C <repeat 998 "a"> */
	ITEM_NOTHING,		/* C <nothing 5s> */
	ITEM_CLIENT_CLOSE,	/* C <close> */
	/* the server's */
	ITEM_SEND,		/* S text, line end included; S <raw "..."> */
	ITEM_SILENCE,		/* S <silence 300s>; without a time: for good */
	ITEM_PACE,		/* S <octet by octet 1s>, S <at once> */
	ITEM_READ_RATE,		/* S <read 10/s>, S <stop reading>, S <read on> */
	ITEM_SCRAM,		/* S <scram first "password">, S <scram final>, S <scram wrong>: a challenge of SCRAM's */
	ITEM_TLS,		/* S <tls server>: the server's end of TLS begins, with this certificate */
	ITEM_CLOSE,
	ITEM_HALF_CLOSE,	/* S <half-close> */
	ITEM_RESET,
};

/* "MAIL FROM:<a@test> SIZE=...": what stands between the dots, in this order, nothing else around it. */
struct pattern {
	struct slice pieces[SCRIPT_PIECES_MAX];
	unsigned count;
};

struct script_item {
	enum item_kind kind;
	unsigned line;
	struct pattern pattern;		/* ITEM_LINE */
	struct slice text;		/* ITEM_SEND: octets; ITEM_MESSAGE, ITEM_TLS: a name, "NAME as HOST" */
	uint64_t number;		/* nanoseconds, octets or octets a second; UINT64_MAX: without end */
	unsigned times;			/* ITEM_SEND */
};

struct script_session {
	unsigned line;
	bool any_address;
	bool any_order;			/* need not wait for the sessions above to begin */
	bool is_from;			/* the client has to come from there; len 0: from wherever its kernel chooses */
	struct addr from;
	struct addr addr;
	struct sim_link link;
	unsigned first;			/* items */
	unsigned count;
};

enum host_manner { HOST_REFUSE, HOST_BLACKHOLE, HOST_UNREACHABLE, HOST_NEVER };

struct script_host {
	unsigned line;
	struct addr addr;
	enum host_manner manner;
	bool tried;
};

struct script_record {
	unsigned line;
	struct slice name;
	struct slice type;		/* or "delay", "signed", "unsigned" */
	struct slice data;		/* or what goes wrong: see tests/sim/zone.h; or "never": nobody may ask */
};

struct script_rcpt {
	struct slice addr;
	struct slice notify;		/* "success,failure" */
	struct slice orcpt;		/* decoded: "rfc822;a@b" */
	struct slice original;		/* what the address was before anything rewrote it */
};

struct script_message {
	unsigned line;
	struct slice name;
	bool named_sender;
	struct slice sender;
	struct script_rcpt *rcpts;
	unsigned rcpt_count;
	struct slice content;		/* unstuffed, CRLF; or records */
	struct slice envid;
	uint32_t facts;			/* enum message_fact, besides what the content says */
	bool unlabelled;		/* nobody said 7bit or 8bit */
	struct slice client[CLIENT_ATTR_COUNT];
	struct slice nexthop;		/* instead of what the recipient's domain says */
	uint64_t age_ns;
	bool timed;
	uint64_t at_ns;			/* since the start; otherwise when the message before has its outcomes */
	uint64_t content_late_ns;	/* so long the content takes to come from the disk */
	uint32_t content_breaks;	/* behind so many octets the disk fails; 0: it does not */
};

enum script_status { STATUS_SENT, STATUS_DEFERRED, STATUS_BOUNCED };

struct script_outcome {
	unsigned line;
	struct slice message;		/* name; empty: the first one that has this recipient */
	struct slice rcpt;
	enum script_status status;
	char class;			/* of the status code, where the word says that much; 0: it does not */
	struct slice dsn;
	struct slice quoted[SCRIPT_QUOTED_MAX];
	unsigned quoted_count;
	bool may_be_duplicate;
	bool timed;
	uint64_t after_ns;		/* since the message was injected, to the second */
	uint64_t after_ns_max;		/* the same as after_ns unless a span was written */
	bool used;
};

struct script_log {
	unsigned line;
	bool never;
	bool once;			/* not several times */
	struct slice quoted[SCRIPT_QUOTED_MAX];
	unsigned quoted_count;
	bool used;
};

/* What was said in a session, for the postmaster. */
struct script_report {
	unsigned line;
	struct slice quoted[SCRIPT_QUOTED_MAX];
	unsigned quoted_count;
	bool used;
};

struct script_tried {
	unsigned line;
	struct addr addr;
};

struct script {
	const char *path;
	struct slice text;
	struct slice conf;		/* main.cf */
	struct slice hosts_file;		/* hosts(5) */
	struct script_item *items;
	unsigned item_count;
	struct script_session *sessions;
	unsigned session_count;
	struct script_host *hosts;
	unsigned host_count;
	struct script_record *records;
	unsigned record_count;
	struct script_message *messages;
	unsigned message_count;
	struct script_outcome *outcomes;
	unsigned outcome_count;
	struct script_log *logs;
	unsigned log_count;
	struct script_report *reports;
	unsigned report_count;
	struct script_tried *tried;	/* every attempt to connect, in this order */
	unsigned tried_count;
	struct script_tried *locals;	/* what the client may bind to; none: anything */
	unsigned local_count;
	unsigned busiest_line;		/* 0: nobody counts */
	unsigned busiest;		/* sessions at a time, at the busiest moment */
	bool relaxed;			/* nobody looks for octets that came too early */
};

/* Reads the file. False when it cannot be played; why was printed. */
bool script_read(const char *path, struct script *ret_script);

bool pattern_matches(const struct pattern *p, struct slice line);

/* For messages to people: "C MAIL FROM:<a@test>", printable; good for a while. */
const char *script_show_item(const struct script_item *item);
/* Printable, with \xNN for what is not; in one of a few buffers that take turns. */
const char *script_show(struct slice octets);
