/* scram_server.h - a server's end of SCRAM (RFC 5802, 7677), written from the RFC and on another library's hashes
 *
 *	"n,,n=user,r=nonce" -> scram_first -> "r=...,s=...,i=4096"
 *	"c=biws,r=...,p=..." -> scram_final -> "v=...", or "e=invalid-proof"
 *
 * Everything is in base64, as it stands in SMTP.
 */
#pragma once

#include "core/str.h"

struct scram_server {
	bool is_sha1;
	const char *password;
	uint32_t iterations;	/* 0: 4096 */
	char first_bare[512], first_server[512];
	bool proved;		/* the client knows the password */
};

/* False: that is no first message. */
bool scram_first(struct scram_server *s, struct slice text, struct str *ret_challenge);

/* The server's signature, or with wrong one that is not. False: that is no final message, or its proof is wrong. */
bool scram_final(struct scram_server *s, struct slice text, bool wrong, struct str *ret_challenge);
