/* tls_agree.c - our verdict on chains and TLSA records beside OpenSSL's: a line for each question (tls_agree.py asks)
 *
 *	case NAME		the lines that follow belong to it
 *	cert HEX		the server's own first
 *	anchor HEX		whom we trust; without tlsa lines
 *	tlsa HEX		RDATA
 *	name mx.example.org
 *	time 1767225600
 *	ask			NAME, good or bad, why, usable records: first ours, then OpenSSL's, with tabs between
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/str.h"
#include "crypto/library.h"
#include "crypto/tls_dane.h"
#include "tests/peers/openssl_judge.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#define ITEMS_MAX 32u

struct items {
	struct slice list[ITEMS_MAX];
	unsigned count;
};

static struct {
	char name[64], host[256];
	uint64_t now_s;
	bool has_dane;
	struct items certs, anchors, rdatas;
	uint8_t octets[MIB(1)];
	size_t used;
} q;

static void take_hex(struct items *items, const char *hex)
{
	uint8_t *from = q.octets + q.used;
	size_t n = 0;
	unsigned octet;

	while (sscanf(hex + 2 * n, "%2x", &octet) == 1 && q.used + n < sizeof(q.octets))
		from[n++] = (uint8_t)octet;
	if (items->count == ITEMS_MAX)
		abort();
	items->list[items->count++] = slice_of(from, n);
	q.used += n;
}

static WOLFSSL_CERT_MANAGER *anchors_of(const struct items *items)
{
	WOLFSSL_CERT_MANAGER *m = wolfSSL_CertManagerNew();

	for (unsigned i = 0; i < items->count; i++)	/* what is broken is left out, as tls_context.c does */
		(void)wolfSSL_CertManagerLoadCABuffer(m, (const byte *)items->list[i].ptr, (long)items->list[i].len,
						      WOLFSSL_FILETYPE_ASN1);
	return m;
}

static void ask(void)
{
	static struct tls_dane dane;
	struct tls_dane_digests digests;
	struct tls_check check = { .names = slice_of_str(q.host), .depth_max = 20, .digest = 0 };
	struct tls_verdict v = { .why = "no usable record" };
	struct openssl_verdict theirs;
	unsigned usable = 0;

	crypto_time_set(q.now_s * NS_PER_SEC);
	if (tls_dane_digests_parse(SLICE("sha512 sha256"), &digests) < 0)
		abort();
	WOLFSSL_CERT_MANAGER *anchors = q.has_dane ? NULL : anchors_of(&q.anchors);

	if (q.has_dane) {
		usable = tls_dane_take(&dane, &digests, q.rdatas.list, q.rdatas.count);
		check.dane = &dane;
	}
	if (!q.has_dane || usable > 0)
		tls_chain_judge(anchors, q.certs.list, q.certs.count, &check, &v);
	if (anchors != NULL)
		wolfSSL_CertManagerFree(anchors);
	openssl_judge(&(struct openssl_question){ .certs = q.certs.list, .count = q.certs.count,
						  .anchors = q.anchors.list, .anchor_count = q.anchors.count,
						  .has_dane = q.has_dane, .rdatas = q.rdatas.list,
						  .rdata_count = q.rdatas.count, .name = slice_of_str(q.host),
						  .now_s = q.now_s },
		      &theirs);
	bool is_good = v.is_trusted && v.name_matches;

	printf("%s\t%s\t%s\t%d\t%s\t%s\t%d\n", q.name, is_good ? "good" : "bad",
	       v.why != NULL ? v.why : is_good ? "ok" : "name", usable > 0, theirs.is_good ? "good" : "bad", theirs.why,
	       theirs.usable > 0);
}

static void take_line(const char *word, const char *rest)
{
	if (strcmp(word, "case") == 0) {
		memset(&q, 0, offsetof(typeof(q), octets));
		q.used = 0;
		(void)snprintf(q.name, sizeof(q.name), "%s", rest);
	} else if (strcmp(word, "cert") == 0) {
		take_hex(&q.certs, rest);
	} else if (strcmp(word, "anchor") == 0) {
		take_hex(&q.anchors, rest);
	} else if (strcmp(word, "tlsa") == 0) {
		q.has_dane = true;
		take_hex(&q.rdatas, rest);
	} else if (strcmp(word, "name") == 0) {
		(void)snprintf(q.host, sizeof(q.host), "%s", rest);
	} else if (strcmp(word, "time") == 0) {
		q.now_s = strtoull(rest, NULL, 10);
	} else if (strcmp(word, "ask") == 0) {
		ask();
	}
}

int main(void)
{
	static char line[KIB(64)];

	if (crypto_library_start() < 0)
		return 1;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *rest = strchr(line, ' ');

		line[strcspn(line, "\n")] = '\0';
		if (rest != NULL)
			*rest++ = '\0';
		take_line(line, rest != NULL ? rest : "");
	}
	openssl_judge_done();
	return 0;
}
