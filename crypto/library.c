#include "crypto/library.h"

#include <errno.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/version.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/random.h>

#include "core/err.h"
#include "core/random.h"
#include "crypto/tls_heap.h"

/* A certificate that is trusted only because its bytes look like a CA's: never in our build (hostile-world, Appendix
 * B). */
#if defined(WOLFSSL_TRUST_PEER_CERT) || defined(OPENSSL_COMPATIBLE_DEFAULTS)
#error "wolfSSL is built with options that weaken verification: run tools/setup"
#endif

/* Chance and time of its own would be a hole in the seam, and without the call-back we never see a chain. */
#if !defined(WC_RNG_SEED_CB) || !defined(USER_TICKS) || !defined(WOLFSSL_ALWAYS_VERIFY_CB)
#error "wolfSSL in .deps is built with the options of an older release of ours: run tools/setup"
#endif

const char *crypto_library_version(void)
{
#if defined(WOLFSSL_AESNI) && defined(USE_INTEL_SPEEDUP)
	return "wolfSSL " LIBWOLFSSL_VERSION_STRING ", with assembly";
#else
	return "wolfSSL " LIBWOLFSSL_VERSION_STRING;
#endif
}

struct library crypto_library(void)
{
	return (struct library){ .name = "wolfSSL", .built = LIBWOLFSSL_VERSION_STRING, .linked = wolfSSL_lib_version() };
}

int crypto_library_check(void)
{
	return wolfSSL_lib_version_hex() == LIBWOLFSSL_VERSION_HEX ? 0 : ERR_VERSION;
}

/* --- chance and time -------------------------------------------------------------------------- */

static _Thread_local uint64_t now_ns;

void crypto_time_set(uint64_t wall_ns)
{
	now_ns = wall_ns;
}

uint64_t crypto_time(void)
{
	return now_ns;
}

static time_t time_now(time_t *t)
{
	time_t now = (time_t)(now_ns / NS_PER_SEC);

	if (t != NULL)
		*t = now;
	return now;
}

/* Both are asked for by wolfSSL (USER_TICKS): the age of tickets. */
word32 LowResTimer(void);
sword64 TimeNowInMilliseconds(void);

word32 LowResTimer(void)
{
	return (word32)(now_ns / NS_PER_SEC);
}

sword64 TimeNowInMilliseconds(void)
{
	return (sword64)(now_ns / NS_PER_MS);
}

static int seed(OS_Seed *os, byte *octets, word32 size)
{
	(void)os;
	random_fill(octets, size);
	return 0;
}

int crypto_library_start(void)
{
	int r = crypto_library_check();

	if (r == 0)
		r = tls_heap_install();
	if (r < 0)
		return r;
	if (wolfSSL_Init() != WOLFSSL_SUCCESS)
		return -ENOMEM;
	/* wolfSSL_Init has put its own in the place of the first. */
	return wc_SetSeed_Cb(seed) == 0 && wc_SetTimeCb(time_now) == 0 ? 0 : ERR_VERSION;
}
