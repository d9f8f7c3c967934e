/* tls_alone.c - TLS alone: records, handshakes and idle sessions, beside what wolfSSL does without us
 *
 *	bench_tls [--seconds N] [--reps N]
 *
 * Everything in memory: a client of crypto/tls and one of bare wolfSSL take turns against the same server. Only the
 * client's CPU time is counted. Bare means: the library's own context, chain verification and host name check, octets
 * through call-backs into an array.
 */
#include "net/delivery/delivery_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>

#include "bench/median.h"
#include "core/check.h"
#include "core/clock.h"
#include "crypto/library.h"
#include "crypto/tls_sessions.h"
#include "tests/peers/tls_server.h"

#define PKI		TEST_PKI "/"
#define NAME		"mx.example.org"
#define REPS_MAX	15u
#define NOW_NS		(UINT64_C(1767225600) * NS_PER_SEC)	/* 2026 */
#define IDLE_SESSIONS	5000u
#define WINDOW		KIB(64)		/* of a body */

static struct tls_room room;
static struct tls_context *context;
static struct tls_sessions sessions;
static struct tls_server server;
static struct tls_server_home homes[4];	/* by version */
static double seconds = 1;
static unsigned reps = 5;

/* --- the clock of the client ------------------------------------------------------------------ */

static uint64_t spent_ns, since_ns;

/* Of the processor: others may be at work here. Asking costs a quarter of a microsecond. */
static uint64_t cpu_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void client_begins(void)
{
	since_ns = cpu_now();
}

static void client_ends(void)
{
	spent_ns += cpu_now() - since_ns;
}

static uint64_t run_end(void)
{
	return clock_mono_ns() + (uint64_t)(seconds * 1e9);
}

/* --- the server ------------------------------------------------------------------------------- */

static void server_begins(int version)
{
	const struct tls_server_conf conf = {
		.chain = PKI "server.pem", .key = PKI "server.key", .version = version, .home = &homes[version],
	};

	ASSERT(tls_server_open(&server, &conf));
}

static void server_hears(struct slice wire)
{
	char plain[256];

	if (wire.len > 0)
		(void)tls_server_feed(&server, wire, plain, sizeof(plain));
}

/* --- our client ------------------------------------------------------------------------------- */

static bool our_turn(struct tls *t)
{
	struct slice wire, in = slice_of(server.out, server.out_len), plain;
	size_t taken;

	client_begins();
	if (in.len > 0)
		ASSERT(tls_unwrap(t, NOW_NS, &in, &plain) >= 0);
	ASSERT(tls_wrap(t, NULL, 0, &wire, &taken) == 0);
	client_ends();
	bool moved = server.out_len > 0 || wire.len > 0;

	tls_server_sent(&server, server.out_len);
	server_hears(wire);
	return moved;
}

static void our_handshake(struct tls *t, const struct tls_key *key, int version)
{
	const struct tls_check check = { .names = SLICE(NAME), .depth_max = 9 };
	const struct tls_wish wish = {
		.version_min = TLS_1_2, .version_max = (enum tls_version)version,
		.servername = SLICE(NAME), .check = &check,
	};

	server_begins(version);
	client_begins();
	ASSERT(tls_open(t, &room, context, &wish) == 0);
	if (key != NULL)
		(void)tls_sessions_offer(&sessions, key, NOW_NS, t);
	client_ends();
	while (our_turn(t))
		;
	ASSERT(tls_is_open(t) && t->verdict.is_trusted && t->verdict.name_matches);
}

static void our_end(struct tls *t, const struct tls_key *key)
{
	struct slice wire;
	size_t taken;

	client_begins();
	if (key != NULL)
		tls_sessions_keep(&sessions, key, t);
	tls_close(t);
	ASSERT(tls_wrap(t, NULL, 0, &wire, &taken) == 0);
	tls_done(t);
	client_ends();
	tls_server_close(&server);
}

/* --- bare wolfSSL ----------------------------------------------------------------------------- */

static char bare_out[KIB(64)];
static size_t bare_out_len;
static struct slice bare_in;

static int bare_recv(WOLFSSL *ssl, char *buf, int size, void *ctx)
{
	size_t n = MIN((size_t)size, bare_in.len);

	(void)ssl;
	(void)ctx;
	if (n == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(buf, bare_in.ptr, n);
	slice_skip(&bare_in, n);
	return (int)n;
}

static int bare_send(WOLFSSL *ssl, char *buf, int size, void *ctx)
{
	(void)ssl;
	(void)ctx;
	ASSERT((size_t)size <= sizeof(bare_out) - bare_out_len);
	memcpy(bare_out + bare_out_len, buf, (size_t)size);
	bare_out_len += (size_t)size;
	return size;
}

static WOLFSSL_CTX *bare_context(int version)
{
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(version == 3 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());

	ASSERT(ctx != NULL && wolfSSL_CTX_load_verify_locations(ctx, PKI "root.pem", NULL) == WOLFSSL_SUCCESS);
	wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, NULL);
	wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
	wolfSSL_CTX_SetIORecv(ctx, bare_recv);
	wolfSSL_CTX_SetIOSend(ctx, bare_send);
	return ctx;
}

static void bare_handshake(WOLFSSL_CTX *ctx, int version)
{
	char plain[16];

	server_begins(version);
	crypto_time_set(NOW_NS);
	client_begins();
	WOLFSSL *ssl = wolfSSL_new(ctx);

	ASSERT(ssl != NULL && wolfSSL_check_domain_name(ssl, NAME) == WOLFSSL_SUCCESS);
	ASSERT(wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, NAME, sizeof(NAME) - 1) == WOLFSSL_SUCCESS);
	client_ends();
	for (bool open = false, moved = true; moved;) {
		bare_in = slice_of(server.out, server.out_len);
		bare_out_len = 0;
		moved = bare_in.len > 0;
		client_begins();
		if (open)
			(void)wolfSSL_read(ssl, plain, sizeof(plain));	/* tickets */
		else
			open = wolfSSL_connect(ssl) == WOLFSSL_SUCCESS;
		if (open && bare_in.len > 0)
			(void)wolfSSL_read(ssl, plain, sizeof(plain));
		client_ends();
		moved |= bare_out_len > 0;
		tls_server_sent(&server, server.out_len);
		server_hears(slice_of(bare_out, bare_out_len));
		ASSERT(moved || open);
	}
	client_begins();
	(void)wolfSSL_shutdown(ssl);
	wolfSSL_free(ssl);
	client_ends();
	tls_server_close(&server);
}

/* --- handshakes a second ---------------------------------------------------------------------- */

enum way { WAY_BARE, WAY_FULL, WAY_RESUMED, WAYS };

static double handshakes(enum way way, int version, WOLFSSL_CTX *bare)
{
	struct tls_key key = { .octets = { (uint8_t)version } };
	struct tls t;
	unsigned n = 0;

	if (way == WAY_RESUMED) {
		our_handshake(&t, &key, version);
		our_end(&t, &key);
	}
	spent_ns = 0;
	for (uint64_t end = run_end(); clock_mono_ns() < end; n++) {
		if (way == WAY_BARE) {
			bare_handshake(bare, version);
			continue;
		}
		our_handshake(&t, way == WAY_RESUMED ? &key : NULL, version);
		ASSERT(t.is_resumed == (way == WAY_RESUMED));
		our_end(&t, way == WAY_RESUMED ? &key : NULL);
	}
	return n / ((double)spent_ns / 1e9);
}

static void measure_handshakes(void)
{
	printf("\nhandshakes a second of the client's CPU time (P-256 certificate, chain of one, name and chain judged)\n");
	printf("%-10s %12s %12s %12s   %s\n", "", "bare", "ours", "resumed", "ours/bare (target 0.8)  resumed/ours (target 3)");
	for (int version = 2; version <= 3; version++) {
		double rates[WAYS][REPS_MAX], mid[WAYS];
		WOLFSSL_CTX *bare = bare_context(version);

		for (unsigned i = 0; i < reps; i++)
			for (unsigned w = 0; w < WAYS; w++)
				rates[(w + i) % WAYS][i] = handshakes((w + i) % WAYS, version, bare);
		for (unsigned w = 0; w < WAYS; w++)
			mid[w] = median(rates[w], reps);
		printf("TLS 1.%-4d %12.0f %12.0f %12.0f   %-23.2f %.2f\n", version, mid[WAY_BARE], mid[WAY_FULL],
		       mid[WAY_RESUMED], mid[WAY_FULL] / mid[WAY_BARE], mid[WAY_RESUMED] / mid[WAY_FULL]);
		wolfSSL_CTX_free(bare);
	}
}

/* --- octets a second -------------------------------------------------------------------------- */

/* What the cipher does, in records as large as ours, with nothing around it. */
static double cipher_rate(void)
{
	static byte plain[TLS_RECORD_MAX], wire[TLS_RECORD_MAX], tag[16];
	const byte key[16] = { 1 }, iv[12] = { 2 }, header[5] = { 3 };
	uint64_t octets = 0;
	Aes aes;

	ASSERT(wc_AesInit(&aes, NULL, INVALID_DEVID) == 0 && wc_AesGcmSetKey(&aes, key, sizeof(key)) == 0);
	uint64_t begin = cpu_now(), end = run_end();

	while (clock_mono_ns() < end)
		for (unsigned i = 0; i < 64; i++, octets += sizeof(plain))
			ASSERT(wc_AesGcmEncrypt(&aes, wire, plain, sizeof(plain), iv, sizeof(iv), tag, sizeof(tag),
						header, sizeof(header)) == 0);
	double took = (double)(cpu_now() - begin);

	wc_AesFree(&aes);
	return (double)octets / took;
}

/* A body's windows, as the connection hands them over, and each time all of it leaves. */
static double wrap_rate(int version)
{
	static char window[WINDOW];
	const struct tls_check check = { .depth_max = 9 };
	const struct tls_wish wish = {
		.version_min = TLS_1_2, .version_max = (enum tls_version)version, .check = &check,
		.ciphers = version == 3 ? "TLS13-AES128-GCM-SHA256" : "ECDHE-ECDSA-AES128-GCM-SHA256",
	};
	uint64_t octets = 0;
	struct tls t;

	server_begins(version);
	ASSERT(tls_open(&t, &room, context, &wish) == 0);
	while (our_turn(&t))
		;
	ASSERT(tls_is_open(&t));
	uint64_t begin = cpu_now(), end = run_end();

	while (clock_mono_ns() < end)
		for (size_t at = 0, taken; at < sizeof(window); at += taken) {
			struct iovec piece = { window + at, sizeof(window) - at };
			struct slice wire;

			ASSERT(tls_wrap(&t, &piece, 1, &wire, &taken) == 0 && taken > 0);
			octets += taken;
		}
	double took = (double)(cpu_now() - begin);

	tls_done(&t);
	tls_server_close(&server);
	return (double)octets / took;
}

static void measure_octets(void)
{
	double cipher[REPS_MAX], wrap[2][REPS_MAX];

	for (unsigned i = 0; i < reps; i++) {
		cipher[i] = cipher_rate();
		wrap[0][i] = wrap_rate(2);
		wrap[1][i] = wrap_rate(3);
	}
	double bare = median(cipher, reps);

	printf("\nAES-128-GCM, GB/s: the cipher on records of 16 KiB %.2f\n", bare);
	for (int i = 0; i < 2; i++) {
		double rate = median(wrap[i], reps);

		printf("  from a body's window to the wire's buffer, TLS 1.%d %.2f, ratio %.2f (target 0.6)\n", i + 2, rate,
		       rate / bare);
	}
}

/* --- what lies idle --------------------------------------------------------------------------- */

static size_t resident(void)
{
	unsigned long size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	ASSERT(f != NULL && fscanf(f, "%lu %lu", &size, &pages) == 2);
	(void)fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Servers are closed at once, so that what grows is the client's. */
static void measure_idle(int version)
{
	struct tls *idle = calloc(IDLE_SESSIONS, sizeof(*idle));
	size_t charged = 0;
	int status;
	pid_t child = fork();		/* who comes second would find what the first has left */

	ASSERT(idle != NULL && child >= 0);
	if (child > 0) {
		free(idle);
		ASSERT(waitpid(child, &status, 0) == child && status == 0);
		return;
	}
	for (unsigned i = 0; i < IDLE_SESSIONS; i++)
		idle[i] = (struct tls){ .state = TLS_CLOSED, .err = 1 };	/* all of it is touched */
	size_t before = resident();

	for (unsigned i = 0; i < IDLE_SESSIONS; i++) {
		our_handshake(&idle[i], NULL, version);
		tls_server_close(&server);
		charged += idle[i].account.used;
	}
	size_t grown = resident() - before;

	printf("%u idle sessions of TLS 1.%d: %.1f KiB each of the library's, %.1f KiB each resident; beside them %.1f KiB of "
	       "ours (%.1f KiB session, %.1f KiB TLS)\n", IDLE_SESSIONS, version, (double)charged / IDLE_SESSIONS / 1024,
	       (double)grown / IDLE_SESSIONS / 1024,
	       (double)(sizeof(struct lane) + sizeof(struct session_tls)) / 1024, (double)sizeof(struct lane) / 1024,
	       (double)sizeof(struct session_tls) / 1024);
	(void)fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	char text[256];
	struct str why = STR(text);

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seconds") == 0)
			seconds = strtod(argv[i + 1], NULL);
		else if (strcmp(argv[i], "--reps") == 0)
			reps = (unsigned)strtoul(argv[i + 1], NULL, 10);
	}
	if (argc % 2 == 0 || !(seconds > 0) || reps == 0 || reps > REPS_MAX) {
		fprintf(stderr, "usage: bench_tls [--seconds N] [--reps N]\n");
		return 2;
	}
	const struct tls_context_conf conf = { .ca_file = PKI "root.pem", .now_ns = NOW_NS };

	if (crypto_library_start() < 0 || tls_room_init(&room, 8) < 0 ||
	    tls_sessions_init(&sessions, 16, UINT64_MAX) < 0 || tls_context_new(&conf, &why, &context) < 0) {
		fprintf(stderr, "bench_tls: %s\n", str_cstr(&why));
		return 1;
	}
	printf("%s; medians of %u runs of %.1f s\n", crypto_library_version(), reps, seconds);
	measure_octets();
	measure_handshakes();
	printf("\n");
	(void)fflush(stdout);
	for (int version = 2; version <= 3; version++)
		measure_idle(version);
	return 0;
}
