/* tls_anchors.h - certificates and bare public keys in PEM (RFC 7468): smtp_tls_trust_anchor_file
 *
 * What stands between the blocks is a comment; blocks of other kinds are passed over.
 *
 * bounds   those of crypto/tls_dane.h, over all texts
 * errors   ERR_SYNTAX: a block is broken, or there is none; -ENOBUFS: more than there is room for
 */
#pragma once

#include "crypto/tls_dane.h"

/* Adds those of one file's text; anchors is all zeroes at first. */
int tls_anchors_add(struct tls_dane *anchors, struct slice pem);
