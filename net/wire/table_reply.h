/* table_reply.h - two protocols for asking another process about a key: tcp_table(5) and socketmap_table(5)
 *
 *	tcp		"get " quoted LF		"200 " quoted LF found, "500 " text LF not found, "400 " text LF error
 *	socketmap	netstring of name SP key	netstring of "OK " value, "NOTFOUND ", or an error: "TEMP " text,
 *							"TIMEOUT " text, "PERM " text
 *	quoted		octets that are no visible ASCII, and %, are %XX
 *	netstring	length ":" octets ","
 *
 * Feed bytes in any cut; get one reply at a time.
 *
 * bounds   TABLE_REPLY_MAX octets a reply, else -EMSGSIZE
 * memory   the value lives in the parser, good until the next feed
 * errors   ERR_PROTO: no reply of the protocol; the parser stays failed
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"

#define TABLE_REPLY_MAX		KIB(8)
#define TABLE_REQUEST_MAX	KIB(4)

enum table_protocol { TABLE_PROTOCOL_TCP, TABLE_PROTOCOL_SOCKETMAP };

struct table_reply {
	int found;		/* 1, 0, or -EIO: the other side says it has an error */
	struct slice value;	/* what was found, or the text of the error */
};

struct table_reply_parser {
	enum table_protocol protocol;
	/* private */
	size_t len;
	size_t wanted;		/* socketmap: octets of the netstring, once known */
	bool in_body;
	int failed;
	char text[TABLE_REPLY_MAX];
};

/* 0, or -EMSGSIZE when the key is too long to ask. name is the map's for socketmap. */
int table_request_write(enum table_protocol protocol, struct slice name, struct slice key, struct str *out);

void table_reply_init(struct table_reply_parser *p, enum table_protocol protocol);

/* Consumes from the front of *in. Returns 1 with *ret_reply set, 0 if it needs more, or a negative error. */
int table_reply_feed(struct table_reply_parser *p, struct slice *in, struct table_reply *ret_reply);
