/* script_items.h - sessions, their lines, and messages: the parts of script.c that have a file of their own */
#pragma once

#include "tests/dialogue/script.h"

/* "repeat 1-5 {" and what stands in the lines behind it */
struct parse_block {
	unsigned line;		/* where it begins; 0: there is none */
	uint64_t first;
	uint64_t last;
	struct slice text;
};

struct parse {
	struct script *script;
	unsigned line;
	bool bad;
	bool in_message;	/* indented lines belong to it */
	struct parse_block block;
};

/* Prints where and what; false. */
bool parse_error(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool parse_address(struct parse *p, struct slice word, struct addr *ret_addr);
bool parse_session(struct parse *p, struct slice rest);
/* "C MAIL FROM:<a@test>   S 250 ok" */
bool parse_items(struct parse *p, struct slice line);
/* One or several fields of the message begun last. */
bool parse_message_field(struct parse *p, struct slice rest);
