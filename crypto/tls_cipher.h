/* tls_cipher.h - which suites of the library may be used: grades and exclusions as in main.cf
 *
 * The library has no weak suite to begin with: no anonymous, null, export or RC4 one, none without forward secrecy,
 * none below 128 bits. So the grades high, medium, low and export are all that it has, and null is nothing.
 * Exclusions are words of the kind OpenSSL knows: a suite's name, or what it is made of (AES128, SHA1, kEDH ...),
 * "A+B" for suites with both. TLS 1.3 suites are not excluded by words, as with OpenSSL; only by their own names.
 *
 * bounds   TLS_CIPHERS_MAX octets of names
 * errors   ERR_SYNTAX: an exclusion that begins with one of "!+-@"; -ENOENT: nothing is left
 */
#pragma once

#include "core/str.h"

#define TLS_CIPHERS_MAX KIB(2)

/* Groups for the exchange of keys, as their owners list them: at most so many are known. */
#define TLS_GROUPS_MAX	8u

/* The numbers (RFC 8446 4.2.7) of those names, divided by colons, commas or blanks, that the library has; in the order
 * of the list, each once. Returns how many. */
unsigned tls_groups_choose(struct slice names, int ret_groups[static TLS_GROUPS_MAX]);

/* Only suites of this list (names divided by colons, commas or blanks; NULL: all) for TLS 1.2; excluded: words divided
 * by any of these, may be empty. What is left goes to *ret_names, in the library's own order. */
int tls_ciphers_choose(const struct slice *list, struct slice excluded, struct str *ret_names);
